//! The command line.

mod install;

use anyhow::Result;
use awp_testbed::process_node;
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
    Node(process_node::cli::Args),
}

pub fn run() -> Result<()> {
    match Testbed::parse().command {
        Command::Install(args) => install::run(&args),
        Command::Node(args) => process_node::cli::run(args),
    }
}
