//! `testbed reaction`: how long a backlog waits until the pool is raised.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use crate::Replicas;
use crate::base::wait;
use crate::demo::awp_binary;
use crate::demo::broker::{self, Broker, Kind};
use crate::demo::interrupts::Interrupts;
use crate::demo::place::Place;
use crate::demo::stage::{POOL, Stage};
use crate::demo::view::View;

/// Measure the reaction: from the confirmed publish of a burst until the Deployment's replicas are raised from zero.
///
/// The first is when the last task was confirmed to `awp publish`, the second when a watch of the API server tells it.
/// Bursts come at random phases of the operator's polling, each when the pool is back at zero.
///
/// Example: testbed reaction --bursts 10
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The broker that carries the tasks.
    #[arg(long, value_enum, default_value_t = Kind::Rabbitmq)]
    broker: Kind,

    /// How many.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    bursts: u16,

    /// Tasks in each, of a second.
    #[arg(long, default_value_t = 20)]
    tasks: u16,

    /// The `awp` binary. Default: the one beside this program.
    #[arg(long)]
    awp: Option<std::path::PathBuf>,
}

pub async fn run(args: Args) -> Result<()> {
    let mut interrupts = Interrupts::listen()?;
    let servers =
        async { futures::try_join!(Place::choose(std::env::var_os("KUBECONFIG")), broker::start(args.broker)) };
    let (place, broker) = interrupts.or(Box::pin(servers)).await?;
    let measured = on_stage(&args, &place, &*broker, &mut interrupts).await;
    place.leave().await?;
    broker.shut_down().await?;
    measured
}

async fn on_stage(args: &Args, place: &Place, broker: &dyn Broker, interrupts: &mut Interrupts) -> Result<()> {
    let awp = awp_binary(args.awp.clone())?;
    let stage = interrupts.or(Stage::set(place, broker, &awp, &mut View::new())).await?;
    let measured = interrupts.or(measure(args, &stage)).await;
    stage.strike().await;
    tell(measured?);
    Ok(())
}

async fn measure(args: &Args, stage: &Stage<'_>) -> Result<Vec<f64>> {
    let mut pool = stage.pool()?;
    // Soon at zero again; with a promise longer than a start-up no worker is kept for the next burst.
    pool["spec"]["scaling"] = json!({"startWithin": "60s", "scaleDownWindow": "1s"});
    stage.apply(&pool).await?;
    let replicas = Replicas::follow(stage.access().admin(), stage.namespace(), POOL);
    let mut seconds = Vec::new();
    for burst in 1..=args.bursts {
        asleep(stage, &replicas).await?;
        tokio::time::sleep(random_phase()?).await;
        let begun = Timestamp::now();
        stage.publish(vec![1.0; args.tasks.into()]).await?;
        let published = Timestamp::now();
        let raised = wait::until("the pool is raised", Duration::from_secs(30), async || {
            let changes = replicas.changes();
            Ok(changes.into_iter().find(|(at, replicas)| *at > begun && *replicas > 0))
        });
        let (at, size) = raised.await.map_err(|error| error.context(stage.log_tail()))?;
        let reaction = at.duration_since(published).as_secs_f64();
        println!("burst {burst:>2}: 0 → {size} workers {reaction:.2} s after the last confirm");
        seconds.push(reaction);
    }
    asleep(stage, &replicas).await?;
    Ok(seconds)
}

async fn asleep(stage: &Stage<'_>, replicas: &Replicas) -> Result<()> {
    wait::until("the pool is at zero", Duration::from_secs(120), async || {
        let pods = stage.kubectl(&["get", "pods", "-o", "name"]).await?;
        Ok((replicas.history().last() == Some(&0) && pods.trim().is_empty()).then_some(()))
    })
    .await
    .map_err(|error| error.context(stage.log_tail()))
}

/// Up to three seconds: more than one period of the operator's polling.
fn random_phase() -> Result<Duration> {
    let mut random = [0; 2];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut random)?;
    Ok(Duration::from_millis(u64::from(u16::from_le_bytes(random)) * 3_000 / u64::from(u16::MAX)))
}

fn tell(mut seconds: Vec<f64>) {
    seconds.sort_by(f64::total_cmp);
    let at = |share: f64| seconds[((seconds.len() as f64 * share).ceil() as usize).clamp(1, seconds.len()) - 1];
    println!(
        "reaction over {} bursts: min {:.2} s, median {:.2} s, p95 {:.2} s, max {:.2} s",
        seconds.len(),
        at(0.0),
        at(0.5),
        at(0.95),
        at(1.0)
    );
}
