//! Part `reaction`: how soon a backlog is answered, on a broker with few pools.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::broker::Kind;
use super::bursts::{self, Burst};
use super::figures::{Distribution, Figures, Row};
use super::random::Random;
use super::site::{PATIENCE, Site, names};
use super::{peers, say};
use crate::base::wait;

/// Workers of a pool that runs.
const RUNNING: i32 = 2;

/// A kind of burst: each is measured on as many pools as there are bursts, because after a burst a pool is not what it
/// was before: it has learned.
struct Series {
    name: &'static str,
    scaling: Value,
    running: bool,
    aim: &'static str,
    peer: &'static str,
}

fn series() -> [Series; 4] {
    let running = |mut scaling: Value| {
        scaling["minReplicas"] = json!(RUNNING);
        scaling
    };
    let default = || json!({"maxReplicas": 50});
    let at_once = || json!({"maxReplicas": 50, "startWithin": "1s"});
    let aim = "mean ≤ 1 s, p95 ≤ 2 s";
    [
        Series { name: "from zero", scaling: default(), running: false, aim, peer: peers::REACTION },
        Series { name: "from zero, startWithin 1s", scaling: at_once(), running: false, aim, peer: peers::REACTION },
        Series { name: "running", scaling: running(default()), running: true, aim: "", peer: "" },
        Series { name: "running, startWithin 1s", scaling: running(at_once()), running: true, aim: "", peer: "" },
    ]
}

pub async fn measure(awp: &Path, bursts: usize, time: Duration) -> Result<Figures> {
    let site = Site::start(Kind::Rabbitmq).await?;
    let found = on_site(&site, awp, bursts, time).await;
    site.shut_down().await?;
    let found = found?;
    let numbers: Vec<Value> =
        found.iter().map(|(series, bursts)| json!({"series": series.name, "bursts": bursts})).collect();
    let mut figures = Figures::new("reaction", &numbers)?;
    for (series, bursts) in &found {
        let Some(reaction) = Distribution::of(bursts.iter().map(|burst| burst.reaction).collect()) else { continue };
        figures.rows.push(Row::new(series.name, reaction.seconds(), series.aim).beside(series.peer));
        if let Some(full) = Distribution::of(bursts.iter().filter_map(|burst| burst.full).collect()) {
            figures.rows.push(Row::new(format!("{}, until full size", series.name), full.seconds(), ""));
        }
    }
    Ok(figures)
}

async fn on_site(site: &Site, awp: &Path, bursts: usize, time: Duration) -> Result<Vec<(Series, Vec<Burst>)>> {
    say("reaction: making the pools");
    site.install(awp).await?;
    let operator = site.operator(awp).await?;
    let sizes = site.sizes();
    let (decisions, ready) = (site.decisions(), site.ready());
    let mut pools = Vec::new();
    for (number, series) in series().into_iter().enumerate() {
        let names = names(number * bursts, bursts);
        site.broker.declare(&names).await?;
        site.create(&names, &series.scaling).await?;
        pools.push((series, names));
    }
    let all = pools.len() * bursts;
    let running = pools.iter().filter(|(series, _)| series.running).count() * bursts;
    wait::until("every pool is decided and its workers are ready", PATIENCE, async || {
        let there = ready.count(|ready| *ready >= RUNNING) >= running;
        Ok((there && decisions.complete(all).is_some()).then_some(()))
    })
    .await?;

    let mut random = Random::from_system()?;
    let mut found = Vec::new();
    say(&format!("reaction: {all} bursts at random moments of {} s", time.as_secs()));
    let names: Vec<String> = pools.iter().flat_map(|(_, names)| names.clone()).collect();
    let mut measured = bursts::measure(site, &sizes, &names, time, &mut random).await?.into_iter();
    for (series, _) in pools {
        found.push((series, measured.by_ref().take(bursts).collect()));
    }
    operator.stop().await?;
    Ok(found)
}
