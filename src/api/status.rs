//! What the operator answers. Written by it alone.
//!
//! Plain strings where an enum might come to mind: an older CRD must accept the status of a newer
//! operator.

#![expect(clippy::doc_markdown, reason = "kubectl prints the text as it stands, backticks included")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator sees and does. Written by the operator alone.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentWorkerPoolStatus {
    /// The generation of the spec that this status answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Workers asked for: granted ones and those that still finish their tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// Workers that are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<u32>,
    /// Label selector of the pool's pods, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Tasks a new worker holds at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefetch: Option<u32>,
    /// What the queue holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog: Option<Backlog>,
    /// What was learned; read back after a restart of the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimates: Option<Estimates>,
    /// The last decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Workers that should go and still hold tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<Draining>,
    /// Failed tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<DeadLetters>,
    /// Ready, Reconciling, Stalled and what else there is to say. Each has a reason and a message
    /// with the remedy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// What the queue holds.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backlog {
    /// Tasks that wait for a worker; absent until the queue was read for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<u64>,
    /// Tasks in process, whole queue; absent while no source tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u64>,
    /// When tasks began to wait: since then the queue was never empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Known, Stale (the last reading is old and is held) or Unknown (unknown is not zero).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<String>,
}

/// What was learned.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Estimates {
    /// Tasks that arrive per minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrivals_per_minute: Option<f64>,
    /// Mean duration of a task, as a duration. Example: 74s
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_duration: Option<String>,
    /// From a pod's creation to its first task, 95th percentile, as a duration. Example: 6s
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup: Option<String>,
    /// Memory one task takes at its peak, as a quantity. Example: 310Mi
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_memory: Option<String>,
}

/// The last decision, in workers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// What the queue asks for.
    pub wanted: u32,
    /// What the limits leave of it.
    pub granted: u32,
    /// What is asked of the cluster: granted, and those that still finish their tasks.
    pub applied: u32,
    /// What decided the number: Demand, MaxReplicas, MaxMemory, BusyWorkers, ManualHold, …
    pub bound_by: String,
    /// Why, in one line.
    pub reason: String,
}

/// Workers that should go and still hold tasks.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Draining {
    /// All of them.
    pub count: u32,
    /// At most ten of them, the longest draining first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<DrainingWorker>,
}

/// A worker that should go and still holds tasks.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrainingWorker {
    /// The pod.
    pub name: String,
    /// Tasks it still holds; absent while unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
    /// Since when it should go.
    pub since: Time,
}

/// Failed tasks.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetters {
    /// The queue they end in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Tasks in it; absent while unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<u64>,
}
