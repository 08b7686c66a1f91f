//! What one pool's task remembers between passes. A restart loses it; nothing scales because of that.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;

use super::build::WorkerContract;
use super::events::Allowance;
use super::objects::{Pod, ReplicaSet, Secret};
use super::pods::PodMemory;
use super::record::Recorded;
use super::reports::Reports;
use super::watch::Watched;
use crate::api::AgentWorkerPoolStatus;
use crate::brokers::{Source, Subscription};
use crate::scaling::State;
use crate::scaling::observation::QueueCounts;
use crate::scaling::time::Timestamp;

pub struct Memory {
    pub wake: Arc<Notify>,
    pub pool_uid: Option<String>,
    /// What the law remembers; `None` before the first decision.
    pub state: Option<State>,
    pub queue: Option<Queue>,
    pub pods: PodMemory,
    pub reports: Reports,
    /// The Secrets the pool names, kept watched while it names them.
    pub secrets: BTreeMap<String, Arc<Watched<Secret>>>,
    pub target: Option<TargetWatches>,
    pub deployment: Option<Applied>,
    pub written: Option<Written>,
    /// What the ConfigMap was last made to say, and when.
    pub config_map: Option<(BTreeMap<String, String>, Timestamp)>,
    /// The last status written, and the pool's version in the cache then: until that moves, the cache does not have it.
    pub status: Option<(AgentWorkerPoolStatus, Option<String>)>,
    /// When the API server said that this pool is gone, which the cache does not know yet.
    pub gone: Option<Timestamp>,
    /// Since when the pool waits for something it names, by reason.
    pub waiting_since: Option<(&'static str, Timestamp)>,
    pub allowance: Allowance,
    /// When readings were last written to status.
    pub status_written: Option<Timestamp>,
    /// The last reading in the log, where the pool's owner asks for them.
    pub recorded: Option<Recorded>,
}

/// The subscription to the pool's queue.
pub struct Queue {
    pub source: Source,
    pub subscription: Box<dyn Subscription>,
    pub since: Timestamp,
    /// The last reading, if it found the queue empty; without counts by worker.
    pub empty: Option<QueueCounts>,
}

/// Watches on what a `targetRef` runs.
pub struct TargetWatches {
    pub selector: String,
    pub pods: Arc<Watched<Pod>>,
    pub replica_sets: Arc<Watched<ReplicaSet>>,
}

/// What the Deployment was last made from, and what the API server made of it: as long as neither changes, there is
/// nothing to write.
#[derive(Debug)]
pub struct Applied {
    /// Of the pool, whose spec holds the template.
    pub pool_generation: Option<i64>,
    pub contract: WorkerContract,
    pub uid: Box<str>,
    pub generation: i64,
}

/// The last number of replicas written, until the cache has caught up with it.
#[derive(Debug)]
pub struct Written {
    pub uid: Box<str>,
    pub replicas: u32,
    /// The Deployment's generation as the cache had it then.
    pub generation_before: i64,
}

impl Memory {
    pub fn new(wake: Arc<Notify>, now: Timestamp) -> Self {
        Self {
            pool_uid: None,
            state: None,
            queue: None,
            pods: PodMemory::default(),
            reports: Reports::new(wake.clone()),
            secrets: BTreeMap::new(),
            target: None,
            deployment: None,
            written: None,
            config_map: None,
            status: None,
            gone: None,
            waiting_since: None,
            allowance: Allowance::new(now),
            status_written: None,
            recorded: None,
            wake,
        }
    }
}
