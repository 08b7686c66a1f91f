//! What a pool's workers say of themselves, asked in the background so that a hung worker delays no decision.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use super::objects::Pod;
use crate::scaling::observation::Report;
use crate::scaling::time::Timestamp;
use crate::workers::WorkerClient;

/// Seconds between two rounds: as fast as a RabbitMQ queue is read.
const PERIOD: f64 = 1.0;

/// Requests under way at once, one pool.
const CONCURRENCY: usize = 64;

/// The last report of each worker of one pool, by pod name.
#[derive(Debug)]
pub struct Reports {
    latest: Arc<Mutex<HashMap<String, Report>>>,
    wake: Arc<Notify>,
    round: Option<AbortOnDropHandle<()>>,
    begun: Timestamp,
}

impl Reports {
    /// `wake` is notified when a round brought something new.
    pub fn new(wake: Arc<Notify>) -> Self {
        Self { latest: Arc::default(), wake, round: None, begun: Timestamp(f64::NEG_INFINITY) }
    }

    /// Begins a round if one is due and none is under way; forgets pods that are gone.
    pub fn poll(&mut self, pods: &[&Pod], port: u16, client: &Arc<dyn WorkerClient>, now: Timestamp) {
        let targets: Vec<(String, SocketAddr)> = pods.iter().filter_map(|pod| target(pod, port)).collect();
        self.lock().retain(|name, _| pods.iter().any(|pod| *pod.name == **name));
        let under_way = self.round.as_ref().is_some_and(|round| !round.is_finished());
        if under_way || targets.is_empty() || now.since(self.begun) < PERIOD {
            return;
        }
        self.begun = now;
        let (latest, wake, client) = (self.latest.clone(), self.wake.clone(), client.clone());
        self.round = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let fresh = ask(&client, targets).await;
            let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
            let news = fresh.iter().any(|(name, report)| latest.get(name).is_none_or(|old| differs(old, report)));
            latest.extend(fresh);
            if news {
                wake.notify_one();
            }
        })));
    }

    pub fn latest(&self) -> HashMap<String, Report> {
        self.lock().clone()
    }

    /// Seconds until the next round is due.
    pub fn next_round(&self, now: Timestamp) -> f64 {
        (PERIOD - now.since(self.begun)).max(0.0)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Report>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks each worker once, right now.
pub async fn ask(client: &Arc<dyn WorkerClient>, targets: Vec<(String, SocketAddr)>) -> HashMap<String, Report> {
    futures::stream::iter(targets)
        .map(|(name, address)| async move { (name, client.status(address).await) })
        .buffer_unordered(CONCURRENCY)
        .filter_map(|(name, answer)| async move { answer.ok().map(|report| (name, report)) })
        .collect()
        .await
}

/// Where a pod's status endpoint is, once the pod has an address.
pub fn target(pod: &Pod, port: u16) -> Option<(String, SocketAddr)> {
    Some((pod.name.to_string(), SocketAddr::new(pod.address?, port)))
}

/// Whether a decision could differ: what always grows (busy seconds) or wobbles (memory) does not count.
fn differs(old: &Report, new: &Report) -> bool {
    (old.state, old.in_flight, old.slots, old.completed, old.failed)
        != (new.state, new.in_flight, new.slots, new.completed, new.failed)
}
