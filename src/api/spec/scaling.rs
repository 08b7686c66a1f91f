//! `spec.prefetch`, `spec.scaling`, `spec.drain`, `spec.deadLetter`: the numbers.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::schema::{self, rules};

/// How many tasks one worker holds at once: exactly one of auto and fixed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::prefetch()), extend("x-kubernetes-map-type" = "atomic"))]
pub struct Prefetch {
    /// As many as the memory limit of memoryContainer allows:
    /// (limit × (1 − headroomPercent/100) − baseMemory) / taskMemory, rounded down, within min and max.
    /// A limit of 2Gi gives 4 with the defaults. Write `auto: {}` for all defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto: Option<AutoPrefetch>,
    /// Always this many tasks, 1 to 1000. Example: 4
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub fixed: Option<u32>,
}

/// Prefetch from memory.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::auto_prefetch()))]
pub struct AutoPrefetch {
    /// Fewest tasks per worker, 1 to 1000; also what a container without memory limit gets. Default: 1
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub min: Option<u32>,
    /// Most tasks per worker, 1 to 1000. Default: 16
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max: Option<u32>,
    /// Memory of a worker without tasks. A quantity. Default: 256Mi
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub base_memory: Option<Quantity>,
    /// Memory one task takes at its peak, as a first guess: what workers report replaces it.
    /// A quantity. Default: 300Mi
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub task_memory: Option<Quantity>,
    /// Share of the limit that is left free, per cent, 0 to 90. Default: 20
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 90))]
    pub headroom_percent: Option<u32>,
}

/// How many workers may run, and how soon a task should start.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::scaling()))]
pub struct Scaling {
    /// Fewest workers, 0 to 10000, at most maxReplicas. Default: 0
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10000))]
    pub min_replicas: Option<u32>,
    /// Most workers, 1 to 10000, those still finishing their tasks included. Default: 100
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub max_replicas: Option<u32>,
    /// Most tasks in flight, whole pool, 1 to 1000000. Default: unlimited. Example: 240
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_concurrency: Option<u32>,
    /// Most memory, as the sum of the pods' memory limits, terminating pods included. A quantity.
    /// Default: unlimited. Example: 128Gi
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub max_memory: Option<Quantity>,
    /// The objective: a task starts within this time of its arrival. A duration. Default: 60s
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub start_within: Option<String>,
    /// Mean duration of a task, as a first guess: it is learned afterwards. A duration. Default: 60s
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub task_duration: Option<String>,
    /// Free slots (workers × prefetch) to keep beyond the demand, 0 to 100000. Default: 0
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub warm_slots: Option<u32>,
    /// Workers go only when none of the last such period needed them. A duration, 0s is allowed.
    /// Default: the learned start-up time, at least 10s
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration_from_zero")]
    pub scale_down_window: Option<String>,
    /// Auto scales. Recommend creates the Deployment and says what it would do, but never changes
    /// replicas. Paused writes nothing but the pool's status. Default: Auto
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// What to run when the queue cannot be read for long. It only ever raises. Default: off, the
    /// last decision holds
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// Manual hold: this many workers, 0 to 10000, whatever the queue says; busy workers still
    /// finish first, and maxMemory still binds. `kubectl scale awp/POOL --replicas=N` sets it,
    /// `awp release POOL` ends it. Default: absent, no hold
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10000))]
    pub hold_replicas: Option<u32>,
}

/// Who changes the number of workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Mode {
    #[default]
    Auto,
    Recommend,
    Paused,
}

/// What to run when the queue cannot be read for long.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fallback {
    /// How long the queue must have been unreadable. A duration. Example: 3m
    #[schemars(schema_with = "schema::duration")]
    pub after: String,
    /// Run at least this many workers then, 1 to 10000, at most maxReplicas. Example: 4
    #[schemars(range(min = 1, max = 10000))]
    pub replicas: u32,
}

/// How a worker that should go ends.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drain {
    /// A worker that should go and is busy for longer than this is mentioned in the condition
    /// Draining; it is not killed. Pods get it, plus 60s, as terminationGracePeriodSeconds.
    /// A duration. Default: 30m
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub timeout: Option<String>,
}

/// Where failed tasks end.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// The queue for failed tasks, on the same broker and vhost; not the pool's own queue.
    /// Default: found from the queue's own arguments or policy. Example: failed_tasks
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub queue: Option<String>,
}
