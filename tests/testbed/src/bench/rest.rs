//! What it costs when nothing happens.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::broker::{Counted, Requests};
use super::process::Process;
use super::site::Site;

/// Shares are of one core.
#[derive(Clone, Debug, Serialize)]
pub struct Rest {
    pub seconds: f64,
    pub operator_cpu: f64,
    pub operator_memory: u64,
    pub operator_memory_peak: u64,
    /// What the broker uses more than it did without the operator.
    pub broker_cpu: f64,
    pub broker_cpu_without: f64,
    /// To the broker, by what is spoken.
    pub connections: BTreeMap<&'static str, usize>,
    pub api_server_connections: usize,
    /// Requests other than watches that are renewed.
    pub api_requests: usize,
    pub api_writes: usize,
    /// By verb and resource.
    pub api_written: BTreeMap<String, usize>,
    /// To the broker, by their kind.
    pub requests_per_second: BTreeMap<String, f64>,
}

impl Rest {
    /// Requests of this kind to the broker, per second.
    pub fn requests(&self, kind: &str) -> f64 {
        self.requests_per_second.get(kind).copied().unwrap_or(0.0)
    }

    /// All requests to the broker, per second.
    pub fn all_requests(&self) -> f64 {
        self.requests_per_second.values().sum()
    }
}

/// The share of a core that `process` uses, over `time`.
pub async fn share(process: Process, time: Duration) -> Result<f64> {
    let (began, before) = (Instant::now(), process.cpu()?);
    sleep(time).await;
    Ok((process.cpu()?.saturating_sub(before)).as_secs_f64() / began.elapsed().as_secs_f64())
}

/// Waits until the broker is read as at rest and the operator has written nothing for `quiet`, at most for `limit`;
/// answers when the last write was.
pub async fn settle(site: &Site, quiet: Duration, limit: Duration) -> Result<Duration> {
    let began = Instant::now();
    let early = site.broker.calm_after().max(quiet);
    let mut written = Duration::ZERO;
    while began.elapsed() < limit {
        let since = SystemTime::now() - quiet;
        let is_quiet = site.plane.writes_by(&site.operator_user(), since)?.is_empty();
        if is_quiet && began.elapsed() >= early {
            break;
        }
        if !is_quiet {
            written = began.elapsed();
        }
        sleep(Duration::from_secs(4)).await;
    }
    Ok(written.saturating_sub(quiet))
}

/// Looks for `time`, or a little longer: queues that were made together are asked for together, and part of a period would
/// count all of them or none. `broker_cpu_without` was measured without the operator.
pub async fn look(site: &Site, operator: Process, broker_cpu_without: f64, time: Duration) -> Result<Rest> {
    let period = site.broker.period().as_secs_f64();
    let time = Duration::from_secs_f64((time.as_secs_f64() / period).ceil() * period);
    let broker = site.broker.process().await?;
    let user = site.operator_user();
    let before = site.broker.requests().await?;
    let (began, since) = (Instant::now(), SystemTime::now());
    let (operator_cpu, broker_cpu) = tokio::try_join!(share(operator, time), share(broker, time))?;
    let connections = operator.connections()?;
    let to = |port: u16| connections.get(&port).copied().unwrap_or(0);
    let requests = site.plane.requests_by(&user, since)?;
    let writes = site.plane.writes_by(&user, since)?;
    let seconds = began.elapsed().as_secs_f64();
    let requests_per_second = rates(&before, site.broker.requests().await?);
    let (operator_memory, operator_memory_peak) = operator.memory()?;
    Ok(Rest {
        seconds,
        operator_cpu,
        operator_memory,
        operator_memory_peak,
        broker_cpu: (broker_cpu - broker_cpu_without).max(0.0),
        broker_cpu_without,
        connections: site.broker.ports().into_iter().map(|(spoken, port)| (spoken, to(port))).collect(),
        api_server_connections: to(site.plane.api_server_port()),
        api_requests: requests.iter().filter(|request| request.verb != "watch").count(),
        api_writes: writes.len(),
        api_written: count(writes.iter().map(|write| format!("{} {}", write.verb, write.resource))),
        requests_per_second,
    })
}

/// Per second between two counts; a kind that is new has been none before, for as long as the look took.
fn rates(before: &Requests, after: Requests) -> BTreeMap<String, f64> {
    let began = before.values().map(|it| it.at).min();
    let rate = |(kind, now): (String, Counted)| {
        let (count, at) = before.get(&kind).map_or((0.0, began.unwrap_or(now.at)), |it| (it.count, it.at));
        let seconds = now.at.duration_since(at).as_secs_f64();
        (kind, if seconds > 0.0 { (now.count - count) / seconds } else { 0.0 })
    };
    after.into_iter().map(rate).collect()
}

fn count(kinds: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    kinds.for_each(|kind| *counts.entry(kind).or_insert(0) += 1);
    counts
}
