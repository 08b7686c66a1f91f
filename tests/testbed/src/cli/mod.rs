//! The command line.

mod install;
mod up;

use anyhow::Result;
use awp_testbed::{bench, demo, process_node, reaction};
use clap::{Parser, Subcommand};

/// Real servers for the project's tests: etcd, Kubernetes and RabbitMQ on this machine's loopback address.
#[derive(Debug, Parser)]
#[command(name = "testbed", version)]
struct Testbed {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Bench(bench::Args),
    Demo(demo::Args),
    Install(install::Args),
    Up(up::Args),
    Node(process_node::cli::Args),
    Reaction(reaction::Args),
}

pub fn run() -> Result<()> {
    match Testbed::parse().command {
        Command::Demo(args) => block_on(demo::run(args)),
        Command::Bench(args) => block_on(bench::run(args)),
        Command::Reaction(args) => block_on(reaction::run(args)),
        Command::Install(args) => install::run(&args),
        Command::Up(args) => up::run(&args),
        Command::Node(args) => process_node::cli::run(args),
    }
}

fn block_on(command: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(command);
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    ended
}
