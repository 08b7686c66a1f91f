//! What it costs when nothing happens.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use serde::Serialize;
use tokio::time::{Instant, sleep};

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
    pub amqp_connections: usize,
    pub management_connections: usize,
    pub api_server_connections: usize,
    /// Requests other than watches that are renewed.
    pub api_requests: usize,
    pub api_writes: usize,
    /// By verb and resource.
    pub api_written: BTreeMap<String, usize>,
    pub declares_per_second: f64,
    pub management_requests_per_second: f64,
}

/// The share of a core that `process` uses, over `time`.
pub async fn share(process: Process, time: Duration) -> Result<f64> {
    let (began, before) = (Instant::now(), process.cpu()?);
    sleep(time).await;
    Ok((process.cpu()?.saturating_sub(before)).as_secs_f64() / began.elapsed().as_secs_f64())
}

/// Waits until the operator has written nothing for `quiet`, at most for `limit`; answers how long that took.
pub async fn settle(site: &Site, quiet: Duration, limit: Duration) -> Result<Duration> {
    let began = Instant::now();
    while began.elapsed() < limit {
        let since = SystemTime::now() - quiet;
        if began.elapsed() >= quiet && site.plane.writes_by(&site.operator_user(), since)?.is_empty() {
            break;
        }
        sleep(Duration::from_secs(4)).await;
    }
    Ok(began.elapsed().saturating_sub(quiet))
}

/// Looks for `time`. Names of queues have `name_length` bytes; `broker_cpu_without` was measured without the operator.
pub async fn look(
    site: &Site,
    operator: Process,
    name_length: usize,
    broker_cpu_without: f64,
    time: Duration,
) -> Result<Rest> {
    let broker = site.broker_process().await?;
    let user = site.operator_user();
    let before = (site.broker.received_bytes(&site.vhost).await?, site.management_requests()?);
    let (began, since) = (Instant::now(), SystemTime::now());
    let (operator_cpu, broker_cpu) = tokio::try_join!(share(operator, time), share(broker, time))?;
    let connections = operator.connections()?;
    let to = |port: u16| connections.get(&port).copied().unwrap_or(0);
    let api_server_port = site.plane.api_server_port();
    let requests = site.plane.requests_by(&user, since)?;
    let writes = site.plane.writes_by(&user, since)?;
    let requests_after = site.management_requests()?;
    let counted_for = began.elapsed().as_secs_f64();
    let received = site.broker.received_bytes(&site.vhost).await?.saturating_sub(before.0);
    let (operator_memory, operator_memory_peak) = operator.memory()?;
    Ok(Rest {
        seconds: counted_for,
        operator_cpu,
        operator_memory,
        operator_memory_peak,
        broker_cpu: (broker_cpu - broker_cpu_without).max(0.0),
        broker_cpu_without,
        amqp_connections: to(site.broker.amqp_port()),
        management_connections: to(site.broker.management_port()),
        api_server_connections: to(api_server_port),
        api_requests: requests.iter().filter(|request| request.verb != "watch").count(),
        api_writes: writes.len(),
        api_written: count(writes.iter().map(|write| format!("{} {}", write.verb, write.resource))),
        declares_per_second: received as f64 / declare_length(name_length) as f64 / began.elapsed().as_secs_f64(),
        management_requests_per_second: (requests_after - before.1) as f64 / counted_for,
    })
}

fn count(kinds: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    kinds.for_each(|kind| *counts.entry(kind).or_insert(0) += 1);
    counts
}

/// Bytes of a passive `queue.declare` (AMQP 0-9-1, 1.7.2.1): a frame's head and end, the method, a reserved short, the
/// name with its length, a byte of flags, an empty table.
fn declare_length(name: usize) -> usize {
    8 + 4 + 2 + 1 + name + 1 + 4
}
