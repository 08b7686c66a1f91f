//! `awp simulate`: see [`crate::simulation`].
#![expect(clippy::doc_markdown, reason = "doc comments on arguments are the help text, which shows backticks")]

mod data;
mod load;
mod picture;
mod pool;
mod recorded;
mod text;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;

use super::output::Output;
use crate::simulation::compare::{Contender, Pool};
use crate::simulation::outcome::{Late, Outcome, Summary};
use load::Load;

/// What would this pool have done? Replay a load in virtual time, with the operator's own decisions.
///
/// Nothing is needed but this program: no cluster, no broker. A day takes less than a second.
///
/// The model: one queue, first in first out; a free slot takes the head at once; a worker takes tasks when it has
/// booted; every --interval the operator's own law (the same code) decides on what it sees.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES, group = clap::ArgGroup::new("load")
    .args(["trace", "set", "poisson", "burst", "diurnal", "log"]).required(true))]
pub struct Args {
    /// Beside the law: what KEDA and HPA do with the same load, by killing and by draining, 20 messages per pod,
    /// workers by arrival rate, and one who knows every duration beforehand
    #[arg(long)]
    compare: bool,

    /// Text for people, or data.
    #[arg(short, long, default_value = "text", value_enum)]
    output: Output,

    /// Draw backlog, tasks in flight, workers and waits over time into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    #[command(flatten)]
    load: load::LoadArgs,

    #[command(flatten)]
    pool: pool::PoolArgs,
}

const EXAMPLES: &str = "\
Examples:
  A made-up load: ten tasks a minute for a day, each of two minutes on average
    awp simulate --poisson 10 --task-duration 2m

  200 tasks at once every hour, with a tighter promise; and a picture of it
    awp simulate --burst 200 --every 1h --for 6h --start-within 30s --svg burst.svg

  My own arrivals (lines of arrival_s,duration_s) with my own pool, beside what others would do
    awp simulate --trace tasks.csv --pool pool.yaml --compare

  What really happened, from the operator's log, had workers held two tasks instead of four
    kubectl logs -n awp-system deploy/awp > operator.log
    awp simulate --log operator.log --name research --pool pool.yaml --prefetch 2

  The public load that the law is judged by
    awp simulate --set A1 --traces ../shared/traces --compare

How to read the answer:
  worker-hours   the time of all workers, from creation to removal. \"1.47 × perfectly packed\" means 47 % more than
                 if every slot of every worker were full all the time, which no policy can reach
  interrupted    tasks that were killed half way and had to start over";

/// One policy's run.
struct Run {
    contender: Contender,
    outcome: Outcome,
    summary: Summary,
    late: Vec<Late>,
}

/// All there is to tell.
struct Story {
    load: Load,
    pool: Pool,
    runs: Vec<Run>,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let load = args.load.read()?;
    let pool = args.pool.read(args.load.seed)?;
    let story = tell(load, pool, args.compare);
    if let Some(file) = &args.svg {
        let svg = picture::draw(&story);
        std::fs::write(file, svg).with_context(|| format!("cannot write {}", file.display()))?;
        eprintln!("drawn: {}", file.display());
    }
    let answer = args.output.answer(|| data::of(&story), || text::of(&story))?;
    // A reader that closes early (`| head`) is no failure.
    std::io::stdout().write_all(answer.as_bytes()).or_else(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })?;
    Ok(())
}

fn tell(load: Load, pool: Pool, compare: bool) -> Story {
    let contenders = if compare { &Contender::ALL[..] } else { &[Contender::Law] };
    let run = |contender: &Contender| {
        let (outcome, summary) = contender.run(&load.trace, &pool);
        let late = outcome.late(&load.trace, pool.settings.start_within);
        Run { contender: *contender, outcome, summary, late }
    };
    let runs = contenders.iter().map(run).collect();
    Story { load, pool, runs }
}
