//! The vocabulary of what was seen: the only words that brokers, workers and the law share.

use std::collections::BTreeMap;
use std::fmt;

use super::time::Timestamp;

/// One look at a pool's queue.
///
/// **Unknown is not zero**: a missing field, a failed request or a leaderless queue is
/// [`QueueReading::Unknown`], and an unknown part of a known reading is `None`.
#[derive(Clone, Debug, PartialEq)]
pub enum QueueReading {
    Known(QueueCounts),
    Unknown(Unknown),
}

/// Why a queue could not be read, in the words a user sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    pub class: ErrorClass,
    /// PascalCase, static, safe as a condition reason or metric label: `BrokerUnreachable`.
    pub reason: &'static str,
    /// One sentence for people: what failed and what to do. Never a secret, never a response body.
    pub message: String,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

/// What a failure asks of whoever meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Passes by itself: hold the last decision, try again with backoff.
    Transient,
    /// A person must act (missing queue, wrong password, missing permission).
    Misconfigured,
    /// The broker answered, but the answer cannot be believed (leaderless queue, 0 of everything
    /// while workers are up): hold and look again.
    Doubtful,
}

/// Counts of one queue, whole queue, all consumers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueCounts {
    /// Tasks waiting, not given to any worker.
    pub ready: u64,
    /// When `ready` was taken.
    pub at: Timestamp,
    /// Tasks given to workers and not yet acknowledged; `None` where the source cannot tell.
    pub unacked: Option<Counted>,
    /// The same by worker name, where the broker can tell it. A worker that is absent here holds
    /// nothing *only if* the map is complete; `None` = not to be had (no permission, no statistics).
    pub unacked_by_worker: Option<CountedByWorker>,
    /// The broker allows one active consumer only.
    pub single_active_consumer: bool,
    /// Nothing is seen, and not for long enough to be sure: counts of SQS are those of a minute ago at
    /// worst. Tasks may be hidden.
    pub unsettled: bool,
    /// Tasks come in groups of which each is worked on by one worker at a time (SQS FIFO): slots beyond
    /// the number of groups stay empty, however many tasks wait.
    pub message_groups: bool,
    /// Tasks are records of partitions (Kafka), of which each is worked on by one worker at a time, and which
    /// stay until they are committed. Then `ready` counts what is in flight as well, and
    /// `unacked_by_worker` all that is not committed of the worker's partitions, of which it holds as many
    /// as it has slots: see `partitions::split`.
    pub partitions: Option<Partitions>,
    /// Messages in the pool's dead-letter queue; `None` = not known or none configured.
    pub dead_letters: Option<u64>,
}

/// How far the work of one queue can be spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partitions {
    /// More workers than this would only wait.
    pub assignable: u32,
    /// Those that have tasks, waiting or in flight.
    pub lagging: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counted {
    pub count: u64,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CountedByWorker {
    /// Worker name (the pod's name) to tasks it holds.
    pub counts: BTreeMap<String, u64>,
    pub at: Timestamp,
}

/// A pod of the pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Worker {
    /// The pod's name.
    pub name: String,
    pub created: Timestamp,
    pub phase: WorkerPhase,
    /// When it was first seen ready.
    pub first_ready: Option<Timestamp>,
    /// Tasks it may hold at once: the prefetch it was started with, or what it reports.
    pub slots: u32,
    /// Its memory limit, bytes, all containers; 0 where the pod has none.
    pub memory_limit: u64,
    /// The ReplicaSet it belongs to: two of them with pods means a rollout.
    pub revision: String,
    pub node: Option<String>,
    pub restarts: u32,
    /// `controller.kubernetes.io/pod-deletion-cost`; 0 where absent.
    pub deletion_cost: i32,
    /// The last answer of its status endpoint, if it has one and ever answered.
    pub report: Option<Report>,
    /// Its consumer was OOM-killed since the last observation.
    pub oom_killed: bool,
}

/// Where a pod is in its life, in the order a ReplicaSet stops pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkerPhase {
    /// Not assigned to a node.
    Unassigned,
    /// Assigned, containers not started.
    Pending,
    /// Running, not ready: booting, or in trouble, and possibly busy.
    NotReady,
    Ready,
    /// Deletion has begun; it still holds what it has not finished.
    Terminating,
}

/// What a worker says of itself (`GET /status`). Everything but `in_flight` is optional there.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub at: Timestamp,
    pub state: WorkerState,
    pub in_flight: u32,
    pub slots: Option<u32>,
    /// Since the worker started, successes and failures.
    pub completed: Option<u64>,
    pub failed: Option<u64>,
    /// Sum over tasks of seconds in process, finished and running.
    pub busy_seconds: Option<f64>,
    pub memory_bytes: Option<u64>,
    pub base_memory_bytes: Option<u64>,
    /// Largest memory seen above the base divided by the tasks in flight then.
    pub task_peak_memory_bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerState {
    Running,
    Draining,
    Drained,
}

/// All that one decision is made from, besides settings, state and time.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub queue: QueueReading,
    /// Every pod of the pool, terminating ones included.
    pub workers: Vec<Worker>,
    /// `spec.replicas` as it stands; `None` before the Deployment exists.
    pub replicas: Option<u32>,
    /// The cluster refuses more pods (quota, unschedulable), with the reason for people.
    pub growth_refused: Option<String>,
}
