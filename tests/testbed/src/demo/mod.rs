//! `make demo`: the main job on real servers. A pool wakes from zero, jumps to the size the queue asks for, works,
//! waits for busy workers and goes back to zero.

mod facts;
mod stage;
mod summary;
mod view;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

use facts::Facts;
use stage::Stage;
use summary::Summary;
use view::View;

/// Run the main job on a local control plane and broker, and say how it went.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The broker that carries the tasks.
    #[arg(long, default_value = "rabbitmq", value_parser = ["rabbitmq"])]
    broker: String,

    /// Leave everything running at the end, and say how to reach it; Ctrl-C ends it.
    #[arg(long)]
    keep: bool,

    /// Tasks in the burst.
    #[arg(long, default_value_t = 60)]
    tasks: usize,

    /// The `awp` binary. Default: the one beside this program.
    #[arg(long)]
    awp: Option<PathBuf>,
}

/// Seconds a simulated task takes: mostly short, some long, as agents' tasks are.
const DURATIONS: [f64; 6] = [2.0, 3.0, 5.0, 8.0, 12.0, 25.0];

/// The whole job takes about a minute; a pool that is not back at zero by then has failed.
const LIMIT: Duration = Duration::from_secs(300);

pub async fn run(args: Args) -> Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = play(&args) => ended,
        _ = tokio::signal::ctrl_c() => bail!("interrupted; everything that was started is ending"),
        _ = term.recv() => bail!("terminated; everything that was started is ending"),
    }
}

async fn play(args: &Args) -> Result<()> {
    let awp = match &args.awp {
        Some(path) => path.clone(),
        None => beside_this_program("awp")?,
    };
    let mut view = View::new();
    let stage = Stage::set(&awp, &mut view).await?;
    let ended = act(args, &stage, &mut view).await;
    if args.keep {
        stage.explain_how_to_use_it();
        std::future::pending::<()>().await;
    }
    view.step("ending what was started");
    stage.strike().await;
    ended
}

async fn act(args: &Args, stage: &Stage, view: &mut View) -> Result<()> {
    view.step(&format!("publishing {} tasks of {} to {} s", args.tasks, DURATIONS[0], DURATIONS[5]));
    let published = stage.publish(args.tasks, &DURATIONS).await?;
    let begun = Instant::now();
    let mut summary = Summary::new(published, begun);
    View::head();
    loop {
        let facts = Facts::gather(stage).await?;
        summary.note(&facts);
        view.show(begun.elapsed(), &facts);
        if summary.is_over(&facts) {
            break;
        }
        if begun.elapsed() > LIMIT {
            view.end();
            bail!(
                "the pool is not back at zero after {} s; the operator's log ends:\n{}",
                LIMIT.as_secs(),
                stage.log_tail()
            );
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    view.end();
    summary.conclude(stage).await
}

fn beside_this_program(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.exists() {
        bail!("{} is missing: run `cargo build`, or name the binary with --awp", path.display());
    }
    path.canonicalize().context("the binary has no path")
}
