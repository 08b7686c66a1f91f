//! `testbed`: installs the servers' programs, and starts the servers by hand.

mod cli;

use anyhow::Result;

fn main() -> Result<()> {
    awp_testbed::base::install_crypto_provider();
    cli::run()
}
