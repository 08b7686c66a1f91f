//! `make demo`: the main job on real servers. A pool wakes from zero, jumps to the size the queue asks for, works,
//! waits for busy workers and goes back to zero.

pub mod broker;
mod facts;
pub mod interrupts;
pub mod place;
pub mod stage;
mod summary;
pub mod view;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use broker::{Broker, Kind};
use facts::Facts;
use interrupts::Interrupts;
use place::Place;
use stage::Stage;
use summary::Summary;
use view::View;

/// Run the main job on real servers of this machine, and say how it went.
///
/// With KUBECONFIG set the pool lives in that cluster, in a namespace agents-demo-xxxx with a node of its own, both of
/// which are removed at the end; kubectl and helm are then taken from PATH, or from an earlier build here. The workers
/// are processes of this machine in any case.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The broker that carries the tasks.
    #[arg(long, value_enum, default_value_t = Kind::Rabbitmq)]
    broker: Kind,

    /// Leave everything running at the end, and say how to reach it; Ctrl-C ends it.
    #[arg(long)]
    keep: bool,

    /// Tasks in the burst.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..))]
    tasks: u16,

    /// The `awp` binary. Default: the one beside this program.
    #[arg(long)]
    awp: Option<PathBuf>,
}

/// Seconds a simulated task takes: mostly short, some long, as agents' tasks are. In turn, so that long ones come early
/// and late, and workers must be waited for while others leave.
const DURATIONS: [f64; 6] = [25.0, 2.0, 8.0, 3.0, 12.0, 5.0];

/// The whole job takes about a minute; a pool that is not back at zero by then has failed.
const LIMIT: Duration = Duration::from_secs(300);

pub async fn run(args: Args) -> Result<()> {
    let mut interrupts = Interrupts::listen()?;
    let mut view = View::new();
    let awp = awp_binary(args.awp.clone())?;
    let name = args.broker.name();
    view.step(&match std::env::var_os("KUBECONFIG").filter(|path| !path.is_empty()) {
        Some(_) => format!("starting {name}; Kubernetes is the cluster of your KUBECONFIG"),
        None => format!("starting etcd, kube-apiserver, kube-controller-manager, kube-scheduler and {name}"),
    });
    let servers = async {
        let place = Place::choose(std::env::var_os("KUBECONFIG"));
        futures::try_join!(place, broker::start(args.broker))
    };
    let (place, broker) = interrupts.or(Box::pin(servers)).await?;
    let ended = on_stage(&args, &place, &*broker, &awp, &mut interrupts, &mut view).await;
    let left = place.leave().await;
    let shut_down = broker.shut_down().await;
    ended.and(left).and(shut_down)
}

async fn on_stage(
    args: &Args,
    place: &Place,
    broker: &dyn Broker,
    awp: &std::path::Path,
    interrupts: &mut Interrupts,
    view: &mut View,
) -> Result<()> {
    let stage = interrupts.or(Stage::set(place, broker, awp, view)).await?;
    let mut ended = interrupts.or(act(args, &stage, view)).await;
    view.end();
    if args.keep && !interrupts.came() {
        if let Err(error) = &ended {
            eprintln!("testbed: {error:#}");
        }
        stage.explain_how_to_use_it();
        interrupts.next().await;
    } else if let Err(error) = &mut ended {
        view.step(&format!("{error}"));
    }
    view.step("ending what was started");
    stage.strike().await;
    ended
}

async fn act(args: &Args, stage: &Stage<'_>, view: &mut View) -> Result<()> {
    view.step("kubectl apply of the pool");
    stage.apply(&stage.pool()?).await?;
    view.step(&format!("publishing {} tasks of 2 to 25 s", args.tasks));
    let durations = DURATIONS.iter().copied().cycle().take(args.tasks.into());
    let published = stage.publish(durations).await?;
    let mut summary = Summary::new(published, stage);
    view.head();
    loop {
        let facts = Facts::gather(stage).await?;
        summary.note(&facts);
        view.show(summary.elapsed(), &facts);
        if summary.is_over(&facts) {
            break;
        }
        if summary.elapsed() > LIMIT {
            bail!("the pool is not back at zero after {} s; {}", LIMIT.as_secs(), stage.log_tail());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    view.end();
    summary.conclude(stage).await
}

pub fn awp_binary(named: Option<PathBuf>) -> Result<PathBuf> {
    let path = match named {
        Some(path) => path,
        None => std::env::current_exe()?.with_file_name("awp"),
    };
    path.canonicalize()
        .with_context(|| format!("{} is missing: run `cargo build`, or name the binary with --awp", path.display()))
}

/// At most sixteen bytes.
fn random_hex(bytes: usize) -> Result<String> {
    let mut random = [0; 16];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut random)?;
    let mut text = format!("{:032x}", u128::from_le_bytes(random));
    text.truncate(2 * bytes);
    Ok(text)
}
