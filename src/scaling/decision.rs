//! What was decided, and why, as a value. Status, events, metrics, the log line and
//! `awp explain` are renderings of it.

use super::time::Timestamp;

#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub at: Timestamp,
    /// The law, in pods, before any cap.
    pub wanted: u32,
    /// After the caps.
    pub granted: u32,
    /// `granted` plus workers that should go and are not free yet; the only number ever written.
    pub applied: u32,
    pub bound_by: Bound,
    /// One line for people, the numbers in it.
    pub reason: String,
    pub trust: Trust,
    /// Pods to carry a negative deletion cost before `applied` is lowered, in the order they would go.
    pub victims: Vec<String>,
    /// Workers that should go and still hold tasks, most urgent first.
    pub draining: Vec<Draining>,
    /// Workers to be asked to drain, every time anew: a drain is a lease. Empty unless workers can drain.
    pub drain: Vec<String>,
    /// Workers to be asked to take tasks again, before any new worker is created.
    pub resume: Vec<String>,
    /// Tasks one new worker will hold at once.
    pub prefetch: u32,
    pub backlog: Backlog,
    pub estimates: Estimates,
    /// How the number came about, first to last.
    pub steps: Vec<Step>,
    /// Facts a condition is made of.
    pub flags: Flags,
    /// Seconds after which a decision may differ though nothing is read anew.
    pub next_check: f64,
}

/// What the queue holds, as far as known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Backlog {
    pub ready: u64,
    /// Whole queue; `None` = no source tells.
    pub in_flight: Option<u64>,
    /// When ready last rose from 0.
    pub since: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimates {
    /// λ
    pub arrivals_per_second: f64,
    /// S, seconds
    pub task_duration: f64,
    /// b, seconds
    pub startup: f64,
    /// q, bytes
    pub task_memory: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Draining {
    pub worker: String,
    pub in_flight: Option<u32>,
    pub since: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// `law`, `window`, `maxConcurrency`, …
    pub name: &'static str,
    /// Pods after this step.
    pub replicas: u32,
    pub detail: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each a condition of its own")]
pub struct Flags {
    /// No worker's load is to be seen: the pool can grow but not shrink.
    pub scale_down_blind: bool,
    pub memory_limit_missing: bool,
    /// The memory limit is too small for one task; the prefetch step says what would do.
    pub memory_limit_too_small: bool,
    /// A worker was killed for memory, and the memory estimate was raised.
    pub out_of_memory: bool,
    /// A cap keeps the pool below what the law wants.
    pub limited: bool,
    /// Unknown for so long that `fallback` raised the pool.
    pub fallback: bool,
    /// A worker that should go is busy for longer than `drain.timeout`.
    pub drain_overdue: bool,
    /// More than one ReplicaSet has pods: nothing is lowered.
    pub rollout: bool,
}

/// How much the reading behind a decision can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    Known,
    /// The last reading is older than it should be; it is held.
    Stale,
    Unknown,
}

/// What decided the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The queue asks for this many.
    Demand,
    /// The recent past asked for more; it is kept for the scale-down window.
    ScaleDownWindow,
    /// Busy workers are waited for.
    BusyWorkers,
    MinReplicas,
    MaxReplicas,
    MaxConcurrency,
    MaxMemory,
    SingleActiveConsumer,
    /// Tasks of one group are worked on one by one, and there are no more groups.
    MessageGroups,
    /// The queue looks empty, and its counts may be a minute old.
    Unsettled,
    /// Each partition is worked on by one worker.
    Partitions,
    /// Partitions have just been moved.
    Rebalance,
    /// The cluster refuses more pods.
    Cluster,
    ManualHold,
    Paused,
    /// Nothing can be known: the last decision holds.
    Hold,
    Fallback,
}

impl Bound {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Demand => "Demand",
            Self::ScaleDownWindow => "ScaleDownWindow",
            Self::BusyWorkers => "BusyWorkers",
            Self::MinReplicas => "MinReplicas",
            Self::MaxReplicas => "MaxReplicas",
            Self::MaxConcurrency => "MaxConcurrency",
            Self::MaxMemory => "MaxMemory",
            Self::SingleActiveConsumer => "SingleActiveConsumer",
            Self::MessageGroups => "MessageGroups",
            Self::Unsettled => "Unsettled",
            Self::Partitions => "Partitions",
            Self::Rebalance => "Rebalance",
            Self::Cluster => "Cluster",
            Self::ManualHold => "ManualHold",
            Self::Paused => "Paused",
            Self::Hold => "Hold",
            Self::Fallback => "Fallback",
        }
    }
}
