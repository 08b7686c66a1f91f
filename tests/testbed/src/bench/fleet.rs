//! Part `fleet`: many pools on one broker, each with a worker.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::broker::{self, Kind};
use super::bursts::{self, Burst};
use super::figures::{Distribution, Figures, Row};
use super::process::Process;
use super::random::Random;
use super::rest::{self, Rest};
use super::site::{PATIENCE, Site, names};
use super::{peers, say};
use crate::base::wait;

/// Pools that get a burst, and the time in which they do.
const BURSTS: usize = 40;
const BURSTS_TIME: Duration = Duration::from_secs(30);

/// The broker alone, for comparison.
const ALONE: Duration = Duration::from_secs(10);
/// The operator has come to rest when it wrote nothing for so long; if it never does, what it writes is told.
const QUIET: Duration = Duration::from_secs(20);
const QUIET_LIMIT: Duration = Duration::from_secs(180);

/// So many pools on that broker, written `kafka:200`.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    broker: Kind,
    pools: u16,
}

impl FromStr for Size {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (broker, pools) = text.split_once(':').context("write BROKER:POOLS, such as kafka:200")?;
        let broker = Kind::from_str(broker, false).map_err(anyhow::Error::msg)?;
        Ok(Self { broker, pools: pools.parse().context("write a number of pools behind the colon")? })
    }
}

#[derive(Clone, Debug, Serialize)]
struct Fleet {
    #[serde(skip)]
    broker: Kind,
    pools: usize,
    /// Seconds from the first create until the last was answered, and until the last pool's status told a decision.
    applied: f64,
    decided: f64,
    /// Seconds until nothing was written any more.
    settled: f64,
    rest: Rest,
    bursts: Vec<Burst>,
}

pub async fn measure(awp: &Path, wanted: Size, rest: Duration) -> Result<Figures> {
    let site = Site::start(wanted.broker).await?;
    let found = on_site(&site, awp, wanted, rest).await;
    site.shut_down().await?;
    tell(&found?)
}

async fn on_site(site: &Site, awp: &Path, wanted: Size, time: Duration) -> Result<Fleet> {
    let Size { broker, pools } = wanted;
    let (pools, tell) = (usize::from(pools), |what: &str| say(&format!("{}: {what}", title(broker, pools.into()))));
    let names = names(0, pools);
    tell("declaring as many queues");
    site.broker.declare(&names).await?;
    site.install(awp).await?;
    tokio::time::sleep(ALONE / 2).await;
    let alone = rest::share(site.broker.process().await?, ALONE).await?;

    let operator = site.operator(awp).await?;
    let process = Process(operator.pid().await?);
    let (decisions, sizes, ready) = (site.decisions(), site.sizes(), site.ready());
    tell("creating the pools");
    let began = Timestamp::now();
    site.create(&names, &json!({"minReplicas": 1, "maxReplicas": 50, "scaleDownWindow": "5s"})).await?;
    let since = |at: Timestamp| at.duration_since(began).as_secs_f64();
    let applied = since(Timestamp::now());
    let decided = wait::until("every pool is decided", PATIENCE, async || Ok(decisions.complete(pools))).await?;
    wait::until("every pool has its worker", PATIENCE, async || {
        Ok((ready.count(|ready| *ready > 0) >= pools).then_some(()))
    })
    .await?;
    tell(&format!("all decided after {:.0} s; waiting until nothing is written", since(decided)));
    let settled = rest::settle(site, QUIET, QUIET_LIMIT).await?.as_secs_f64();
    tell(&format!("at rest for {} s", time.as_secs()));
    let rest = rest::look(site, process, alone, time).await?;

    let mut random = Random::from_system()?;
    let chosen: Vec<String> = random.choose(BURSTS, pools).into_iter().map(|at| names[at].clone()).collect();
    tell(&format!("{} bursts at random moments of {} s", chosen.len(), BURSTS_TIME.as_secs()));
    let bursts = bursts::measure(site, &sizes, &chosen, BURSTS_TIME, &mut random).await?;
    operator.stop().await?;
    Ok(Fleet { broker, pools, applied, decided: since(decided), settled, rest, bursts })
}

fn title(broker: Kind, pools: usize) -> String {
    format!("fleet {} {pools}", broker.word())
}

fn tell(fleet: &Fleet) -> Result<Figures> {
    let Fleet { broker, pools, applied, decided, settled, rest, bursts } = fleet;
    let mut figures = Figures::new(title(*broker, *pools), fleet)?;
    // Aims and others' figures are of a thousand pools on RabbitMQ.
    let compared = *pools == 1_000 && *broker == Kind::Rabbitmq;
    let mut row = |what: &str, measured: String, aim: &'static str, peer: &'static str| {
        let row = Row::new(what, measured, if compared { aim } else { "" });
        figures.rows.push(row.beside(if compared { peer } else { "" }));
    };
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let megabytes = |bytes: u64| format!("{:.0} MB", bytes as f64 / 1e6);
    let took = format!("{decided:.1} s (applying took {applied:.1} s)");
    row("first applied to all decided", took, "≤ 30 s", peers::DECIDED);
    row("then writes end after", format!("{settled:.0} s"), "", "");
    let memory = format!("{} (peak {})", megabytes(rest.operator_memory), megabytes(rest.operator_memory_peak));
    row("operator, memory", memory, "≤ 65 MB", peers::MEMORY);
    row("operator, CPU at rest", percent(rest.operator_cpu), "≤ 7 % of a core", peers::CPU);
    let cpu = format!("{} (alone {})", percent(rest.broker_cpu), percent(rest.broker_cpu_without));
    row("broker, CPU for it", cpu, "", "");
    let connections: Vec<String> = rest.connections.iter().map(|(spoken, count)| format!("{count} {spoken}")).collect();
    row("connections to the broker", connections.join(", "), "≤ 3, constant", peers::BROKER_CONNECTIONS);
    row("connections to the API server", rest.api_server_connections.to_string(), "≤ 3, constant", "");
    row("API writes at rest", format!("{} in {:.0} s", rest.api_writes, rest.seconds), "none", "");
    row("API reads at rest", format!("{}", rest.api_requests - rest.api_writes), "none", "");
    figures.rows.extend(broker::costs(*broker, *pools, rest));
    if let Some(reaction) = Distribution::of(bursts.iter().map(|burst| burst.reaction).collect()) {
        figures.rows.push(Row::new("reaction", reaction.seconds(), broker::reaction_aim(*broker)));
    }
    Ok(figures)
}
