//! `testbed`: installs the servers' programs, and starts the servers by hand.

use anyhow::Result;
use awp_testbed::base::cache::Cache;

fn main() -> Result<()> {
    awp_testbed::base::install_crypto_provider();
    awp_testbed::install::rabbitmq::install(&Cache::of_user()?)?;
    Ok(())
}
