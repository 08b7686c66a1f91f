//! Part `fleet`: many pools on one broker, each with a worker.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::bursts::{self, Burst};
use super::figures::{Distribution, Figures};
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
const QUIET_LIMIT: Duration = Duration::from_secs(90);

#[derive(Clone, Debug, Serialize)]
struct Fleet {
    pools: usize,
    /// Seconds from the first create until the last was answered, and until the last pool's status told a decision.
    applied: f64,
    decided: f64,
    /// Seconds until nothing was written any more.
    settled: f64,
    rest: Rest,
    bursts: Vec<Burst>,
}

pub async fn measure(awp: &Path, pools: usize, rest: Duration) -> Result<Figures> {
    let site = Site::start().await?;
    let found = on_site(&site, awp, pools, rest).await;
    site.shut_down().await?;
    tell(&found?)
}

async fn on_site(site: &Site, awp: &Path, pools: usize, time: Duration) -> Result<Fleet> {
    let names = names(0, pools);
    say(&format!("fleet {pools}: declaring as many queues"));
    site.declare(&names).await?;
    site.install(awp).await?;
    tokio::time::sleep(ALONE / 2).await;
    let alone = rest::share(site.broker_process().await?, ALONE).await?;

    let operator = site.operator(awp).await?;
    let process = Process(operator.pid().await?);
    let (decisions, sizes, ready) = (site.decisions(), site.sizes(), site.ready());
    say(&format!("fleet {pools}: creating the pools"));
    let began = Timestamp::now();
    site.create(&names, &json!({"minReplicas": 1, "maxReplicas": 50, "scaleDownWindow": "5s"})).await?;
    let since = |at: Timestamp| at.duration_since(began).as_secs_f64();
    let applied = since(Timestamp::now());
    let decided = wait::until("every pool is decided", PATIENCE, async || Ok(decisions.complete(pools))).await?;
    wait::until("every pool has its worker", PATIENCE, async || {
        Ok((ready.count(|ready| *ready > 0) >= pools).then_some(()))
    })
    .await?;
    say(&format!("fleet {pools}: all decided after {:.0} s; waiting until nothing is written", since(decided)));
    let settled = rest::settle(site, QUIET, QUIET_LIMIT).await?.as_secs_f64();
    say(&format!("fleet {pools}: at rest for {} s", time.as_secs()));
    let rest = rest::look(site, process, names[0].len(), alone, time).await?;

    let mut random = Random::from_system()?;
    let chosen: Vec<String> = random.choose(BURSTS, pools).into_iter().map(|at| names[at].clone()).collect();
    say(&format!("fleet {pools}: {} bursts at random moments of {} s", chosen.len(), BURSTS_TIME.as_secs()));
    let bursts = bursts::measure(site, &sizes, &chosen, BURSTS_TIME, &mut random).await?;
    operator.stop().await?;
    Ok(Fleet { pools, applied, decided: since(decided), settled, rest, bursts })
}

fn tell(fleet: &Fleet) -> Result<Figures> {
    let Fleet { pools, applied, decided, settled, rest, bursts } = fleet;
    let mut figures = Figures::new(format!("fleet {pools}"), fleet)?;
    // Aims and others' figures are of a thousand.
    let of_thousand = |text: &'static str| if *pools == 1_000 { text } else { "" };
    let mut row = |what: &str, measured: String, aim: &'static str, peer: &'static str| {
        figures.row(what, measured, of_thousand(aim), of_thousand(peer));
    };
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    row(
        "first applied to all decided",
        format!("{decided:.1} s (applying took {applied:.1} s)"),
        "≤ 30 s",
        peers::DECIDED,
    );
    row("then writes end after", format!("{settled:.0} s"), "", "");
    if let Some(reaction) = Distribution::of(bursts.iter().map(|burst| burst.reaction).collect()) {
        row("reaction", reaction.seconds(), "mean ≤ 1 s", "");
    }
    let megabytes = |bytes: u64| format!("{:.0} MB", bytes as f64 / 1e6);
    row(
        "operator, memory",
        format!("{} (peak {})", megabytes(rest.operator_memory), megabytes(rest.operator_memory_peak)),
        "≤ 65 MB",
        peers::MEMORY,
    );
    row("operator, CPU at rest", percent(rest.operator_cpu), "≤ 7 % of a core", peers::CPU);
    row(
        "broker, CPU for it",
        format!("{} (alone {})", percent(rest.broker_cpu), percent(rest.broker_cpu_without)),
        "",
        "",
    );
    row(
        "connections to the broker",
        format!("{} AMQP, {} management", rest.amqp_connections, rest.management_connections),
        "≤ 3, constant",
        peers::BROKER_CONNECTIONS,
    );
    row("connections to the API server", rest.api_server_connections.to_string(), "≤ 3, constant", "");
    row("declares per second", format!("{:.0}", rest.declares_per_second), "≤ 1,000", "");
    row("management requests per second", format!("{:.2}", rest.management_requests_per_second), "≤ 2", "");
    row("API writes at rest", format!("{} in {:.0} s", rest.api_writes, rest.seconds), "none", "");
    row("API reads at rest", format!("{}", rest.api_requests - rest.api_writes), "none", "");
    Ok(figures)
}
