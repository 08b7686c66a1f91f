//! `make bench`: what it costs and how fast it is, measured on the real servers, in tables for people and JSON for
//! programs. Nothing here is judged: tests do that, for what does not depend on the machine.

pub mod broker;
mod bursts;
mod decide;
mod figures;
mod fleet;
mod machine;
mod peers;
pub mod process;
mod random;
mod reaction;
mod release;
pub mod rest;
pub mod site;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::demo::awp_binary;
use crate::demo::interrupts::Interrupts;
use figures::Figures;
use fleet::Size;
use machine::Machine;

/// Measure the operator on real servers of this machine.
///
/// decide: one decision, as `cargo bench -p awp-law` measured it. release: size and start of the program and its image.
/// reaction: from a confirmed burst to new replicas. fleet: many pools on one broker, for each broker.
///
/// Example: testbed bench --only fleet --fleets kafka:500,sqs:500
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Only these parts.
    #[arg(long, value_delimiter = ',', default_values = ["decide", "release", "reaction", "fleet"])]
    only: Vec<Part>,

    /// The fleets, each BROKER:POOLS.
    #[arg(long, value_delimiter = ',', default_values = ["rabbitmq:200", "rabbitmq:1000", "kafka:200", "sqs:200"])]
    fleets: Vec<Size>,

    /// Bursts in each series of the reaction.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=500))]
    bursts: u16,

    /// Seconds for which a fleet is watched at rest.
    #[arg(long, default_value_t = 45)]
    rest: u16,

    /// The `awp` binary. Default: the one beside this program, which is not the one to judge.
    #[arg(long)]
    awp: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Decide,
    Release,
    Reaction,
    Fleet,
}

pub async fn run(args: Args) -> Result<()> {
    let mut interrupts = Interrupts::listen()?;
    let machine = Machine::look();
    // `target/debug/testbed`
    let target = std::env::current_exe()?;
    let target = target.ancestors().nth(2).context("this program lies in no target folder")?;
    let awp = awp_binary(args.awp.clone())?;
    let results = target.join("bench");
    eprintln!("bench: {}", machine.describe());
    for part in &args.only {
        // There may be several fleets; each is told when it is measured.
        let count = if *part == Part::Fleet { args.fleets.len() } else { 1 };
        for number in 0..count {
            let figures = interrupts.or(Box::pin(measure(*part, &args, number, &awp, target))).await?;
            figures.keep(&results, &machine)?;
            figures.print();
        }
    }
    println!("\n{}\n{}\nas JSON: {}", peers::NOTE, machine.describe(), results.display());
    Ok(())
}

async fn measure(part: Part, args: &Args, number: usize, awp: &Path, target: &Path) -> Result<Figures> {
    match part {
        Part::Decide => decide::measure(target),
        Part::Release => release::measure(awp).await,
        Part::Reaction => {
            let time = Duration::from_secs(2 * u64::from(args.bursts));
            reaction::measure(awp, args.bursts.into(), time).await
        }
        Part::Fleet => fleet::measure(awp, args.fleets[number], Duration::from_secs(args.rest.into())).await,
    }
}

fn say(what: &str) {
    eprintln!("bench: {what}");
}
