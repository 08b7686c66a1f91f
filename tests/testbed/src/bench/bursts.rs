//! The reaction: from the broker's confirm of a burst's last task until a watch of the API server tells of more replicas.

use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::try_join_all;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::random::Random;
use super::site::{PATIENCE, PREFETCH, Site};
use crate::base::wait;
use crate::changes::Changes;

/// Tasks in a burst: from zero they ask for five workers.
const TASKS: u32 = 20;

/// What came of one burst.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Burst {
    pub from: i32,
    pub to: i32,
    /// Seconds until the first rise.
    pub reaction: f64,
    /// Seconds until there is a slot for each task; `None` where the law counts on the workers that are there.
    pub full: Option<f64>,
}

/// A burst on each of `pools`, each at a random moment within `time`.
pub async fn measure(
    site: &Site,
    sizes: &Changes<i32>,
    pools: &[String],
    time: Duration,
    random: &mut Random,
) -> Result<Vec<Burst>> {
    let each = pools.iter().map(|pool| (pool, random.moment(time)));
    let bursts: Vec<_> = each.map(|(pool, moment)| one(site, sizes, pool, moment)).collect();
    try_join_all(bursts).await
}

async fn one(site: &Site, sizes: &Changes<i32>, pool: &str, moment: Duration) -> Result<Burst> {
    tokio::time::sleep(moment).await;
    let from = sizes.of(pool).last().map_or(0, |(_, replicas)| *replicas);
    let begun = Timestamp::now();
    let confirmed = site.broker.burst(pool, TASKS).await?;
    let since = |at: Timestamp| at.duration_since(confirmed).as_secs_f64().max(0.0);
    let rise = |above: i32| {
        let changes = sizes.of(pool);
        changes.into_iter().find(|(at, replicas)| *at >= begun && *replicas > above)
    };
    let (at, to) = wait::until("the pool is raised", PATIENCE, async || Ok(rise(from)))
        .await
        .with_context(|| format!("pool {pool}, from {from} workers"))?;
    let slots = TASKS.div_ceil(PREFETCH).cast_signed();
    let full = if from == 0 {
        let last = wait::until("there is a slot for each task", PATIENCE, async || Ok(rise(slots - 1))).await?;
        Some(since(last.0))
    } else {
        None
    };
    Ok(Burst { from, to, reaction: since(at), full })
}
