//! The document that `GET /explain/NAMESPACE/POOL` and `awp explain -o json|yaml` answer.
//!
//! It grows by addition only. Times are ages in seconds unless they say otherwise; what is not known
//! is absent, never 0.

use serde::{Deserialize, Serialize};

/// Workers listed by name; a larger pool has the rest counted.
pub const MOST_WORKERS: usize = 100;

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    pub namespace: String,
    pub pool: String,
    /// `Operator`: the last decision with all that was in it. `Status`: what the pool's status tells.
    pub source: String,
    /// What is not in here, why, and what would bring it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// The broker and the queue, without credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<String>,
    /// Seconds between the decision and this answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_ago: Option<f64>,
    pub mode: String,
    /// The reason, in one line.
    pub summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reading: Option<Reading>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub estimates: Vec<Estimate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub law: Option<Law>,
    /// From the law's number to the one applied, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub what_if: Vec<WhatIf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<Workers>,
    /// What workers of another size would cost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<Size>,
    /// What is wrong or degraded: gaps of the reading, conditions of the pool.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Decision {
    pub wanted: u32,
    pub granted: u32,
    pub applied: u32,
    pub bound_by: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reading {
    /// Known, Stale or Unknown.
    pub trust: String,
    /// Tasks that wait for a worker, as last read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<Count>,
    /// Tasks in process, whole queue, as the law counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u64>,
    /// What the broker says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight_by_broker: Option<Count>,
    /// What the workers say of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight_by_workers: Option<Reported>,
    /// Age of the broker's word on which worker holds what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_worker_age: Option<f64>,
    /// Why the queue is not known, and since how many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<Problem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_for: Option<f64>,
    /// Seconds until `scaling.fallback` raises the pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_in: Option<f64>,
    /// Other pools on the same queue, as NAMESPACE/NAME.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shared_with: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Count {
    pub count: u64,
    /// Absent where only the pool's status tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reported {
    pub count: u64,
    /// Workers that answered lately, of those that run.
    pub workers: u32,
    pub of: u32,
    /// Of the oldest answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<f64>,
}

/// How long the queued tasks have waited.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Waiting {
    pub count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<f64>,
    /// From age 0 to the oldest, youngest first.
    pub ages: Vec<AgeBin>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AgeBin {
    pub upto: f64,
    pub count: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Estimate {
    /// `taskDuration` (seconds), `startup` (seconds), `taskMemory` (bytes), `arrivals` (per second).
    pub name: String,
    pub value: f64,
    /// Samples that still count; absent where only the pool's status tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<f64>,
    /// It started from what an earlier operator had learned.
    pub restored: bool,
    /// Since it last learned something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<f64>,
}

/// The start-deadline law with its numbers, in the symbols of docs/explain.md.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Law {
    /// D
    pub start_within: f64,
    /// T
    pub interval: f64,
    /// S
    pub task_duration: f64,
    /// b
    pub startup: f64,
    /// λ, per second
    pub arrivals_per_second: f64,
    /// W
    pub free_slots: f64,
    /// c0
    pub slots: f64,
    /// n
    pub in_flight: f64,
    /// n was told by a source; else workers that show nothing were taken for full.
    pub in_flight_known: bool,
    /// B
    pub ready: f64,
    /// The queued task that decides; absent where an empty queue would ask for as much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decisive: Option<Decisive>,
    /// max x: slots short, or to spare where negative.
    pub short: f64,
    /// c
    pub wanted_slots: f64,
    /// P: slots of a new worker.
    pub prefetch: u32,
    pub wanted: u32,
}

/// The task j* that decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Decisive {
    /// j
    pub position: f64,
    pub waited: f64,
    /// a
    pub left: f64,
    pub completions: f64,
    /// x
    pub short: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Step {
    pub name: String,
    /// Workers after it.
    pub replicas: u32,
    pub detail: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Limit {
    pub name: String,
    pub workers: u32,
    pub detail: String,
    pub binds: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WhatIf {
    /// Path below `spec`.
    pub setting: String,
    pub value: String,
    pub wanted: u32,
    pub granted: u32,
    pub applied: u32,
    pub bound_by: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Workers {
    /// Workers that take tasks, those still to come included, and their slots.
    pub active: u32,
    pub slots: f64,
    /// Asked for, but no pod yet.
    pub absent: u32,
    /// In the order in which they would go.
    pub list: Vec<Worker>,
    /// Workers left out of the list.
    pub omitted: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Worker {
    pub name: String,
    pub age: f64,
    /// Absent = not to be seen, which is not 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
    pub slots: u32,
    /// Leaving, `MayGo`, Finishes, Resumes or Stays.
    pub verdict: String,
    pub why: String,
}

/// Workers that hold another number of tasks, against today's.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Size {
    pub prefetch: u32,
    /// Memory limit that it needs, bytes; absent with a fixed prefetch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Cost relative to today's, 1 = the same, where tasks come in bursts and where they come steadily.
    pub bursts: f64,
    pub steady: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Problem {
    pub reason: String,
    pub message: String,
}
