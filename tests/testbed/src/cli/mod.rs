//! The command line.

mod install;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Real servers for the project's tests: etcd, Kubernetes and `RabbitMQ` on this machine's loopback address.
#[derive(Debug, Parser)]
#[command(name = "testbed", version)]
struct Testbed {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Install(install::Args),
}

pub fn run() -> Result<()> {
    match Testbed::parse().command {
        Command::Install(args) => install::run(&args),
    }
}
