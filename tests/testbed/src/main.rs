//! `testbed`: installs the servers' programs, and starts the servers by hand.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    awp_testbed::base::install_crypto_provider();
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without the backtrace, which would bury the remedy.
            eprintln!("testbed: {error:#}");
            ExitCode::FAILURE
        }
    }
}
