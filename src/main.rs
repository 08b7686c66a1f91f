use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // Before anything can open a TLS connection. An error means that one is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    awp::logging::init();
    let cli = awp::cli::Cli::parse();
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(awp::cli::run(cli)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("awp: {error:#}");
            ExitCode::FAILURE
        }
    }
}
