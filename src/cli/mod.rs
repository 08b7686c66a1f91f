//! The command line: one file per subcommand.
//!
//! stdout is data, stderr is messages.

pub mod check;
pub mod crd;
pub mod explain;
mod kafka;
mod output;
pub mod publish;
pub mod release;
pub mod run;
pub mod simulate;
mod sqs;
pub mod status;
pub mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::ops::telemetry::{self, LogFormat};

/// Agent Worker Pools: scales pools of AI-agent workers from their queue.
///
/// `awp run` is the operator; the other commands are for workers and for people. The commands for people also
/// work as `kubectl awp …` when the binary is on the PATH as `kubectl-awp`.
#[derive(Debug, Parser)]
#[command(name = "awp", version, propagate_version = true, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// Which log lines to write, in the syntax of RUST_LOG. Default: info for run and worker, warn for the others
    #[arg(long, env = "AWP_LOG", value_name = "FILTER", global = true)]
    log_filter: Option<String>,

    /// How log lines look
    #[arg(long, env = "AWP_LOG_FORMAT", default_value = "auto", value_enum, global = true)]
    log_format: LogFormat,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Worker(worker::Args),
    Publish(publish::Args),
    Status(status::Args),
    Explain(explain::Args),
    Check(check::Args),
    Release(release::Args),
    Simulate(Box<simulate::Args>),
    Crd(crd::Args),
}

impl Command {
    fn log_filter(&self) -> &'static str {
        match self {
            Self::Run(_) | Self::Worker(_) => "info",
            _ => "warn",
        }
    }
}

/// Runs one command to its end. A failure is told on stderr with its causes.
pub fn dispatch(cli: Cli) -> ExitCode {
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    telemetry::init(cli.log_format, cli.log_filter.as_deref().unwrap_or(cli.command.log_filter()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Run(args) => run::run(args).await,
            Command::Worker(args) => worker::run(args).await,
            Command::Publish(args) => publish::run(args).await,
            Command::Status(args) => status::run(args).await,
            Command::Explain(args) => explain::run(args).await,
            Command::Check(args) => Box::pin(check::run(args)).await,
            Command::Release(args) => release::run(args).await,
            Command::Simulate(args) => simulate::run(&args),
            Command::Crd(args) => crd::run(args),
        }
    });
    // A blocking read (stdin, a name look-up) must not keep a finished command alive.
    runtime.shutdown_background();
    outcome
}
