//! The command line: one file per subcommand.

pub mod publish;
pub mod worker;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "awp", version, about = "Agent Worker Pools: workers for AI agents, scaled from message queues")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Worker(worker::Args),
    Publish(publish::Args),
}

pub async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Worker(args) => worker::run(args).await,
        Command::Publish(args) => publish::run(args).await,
    }
}
