//! The command line: one file per subcommand.
//!
//! stdout is data, stderr is messages.

pub mod crd;
pub mod release;
pub mod run;
pub mod status;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Agent Worker Pools: scales pools of AI-agent workers from their queue.
///
/// `awp run` is the operator; the other commands are for workers and for people. The commands for people also
/// work as `kubectl awp …` when the binary is on the PATH as `kubectl-awp`.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Status(status::Args),
    Release(release::Args),
    Crd(crd::Args),
}

/// Runs one command to its end. A failure is told on stderr with its causes.
pub fn dispatch(cli: Cli) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Run(args) => run::run(args).await,
            Command::Status(args) => status::run(args).await,
            Command::Release(args) => release::run(args).await,
            Command::Crd(args) => crd::run(args),
        }
    });
    // A blocking read (stdin, a name look-up) must not keep a finished command alive.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
