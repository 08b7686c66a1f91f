//! Small verbs to build what a decision is made from.

pub use crate::scaling::observation::Worker;
use crate::scaling::observation::{Counted, Observation, QueueCounts, QueueReading, Report, WorkerPhase, WorkerState};
use crate::scaling::settings::{DrainSupport, Mode, Prefetch, Settings};
use crate::scaling::time::Timestamp;

pub const MI: u64 = 1024 * 1024;
pub const GI: u64 = 1024 * MI;

/// The defaults of the API, with four tasks a worker and reports.
pub fn settings() -> Settings {
    Settings {
        mode: Mode::Auto,
        hold_replicas: None,
        min_replicas: 0,
        max_replicas: 100,
        max_concurrency: None,
        max_memory: None,
        start_within: 60.0,
        task_duration: 60.0,
        warm_slots: 0,
        scale_down_window: None,
        fallback: None,
        prefetch: Prefetch::Fixed(4),
        container_memory: Some(2 * GI),
        worker_memory: Some(2 * GI),
        reports: true,
        drain_timeout: 1800.0,
        drain: DrainSupport::IdleOnly,
    }
}

/// A ready worker with four slots, created and ready long before `at`.
pub fn worker(name: &str) -> Worker {
    Worker {
        name: name.to_owned(),
        created: Timestamp(-1000.0),
        phase: WorkerPhase::Ready,
        first_ready: Some(Timestamp(-990.0)),
        slots: 4,
        memory_limit: 2 * GI,
        revision: "one".to_owned(),
        node: Some("node".to_owned()),
        restarts: 0,
        deletion_cost: 0,
        report: None,
        oom_killed: false,
    }
}

pub fn report(in_flight: u32, at: f64) -> Report {
    Report {
        at: Timestamp(at),
        state: WorkerState::Running,
        in_flight,
        slots: None,
        completed: None,
        failed: None,
        busy_seconds: None,
        memory_bytes: None,
        base_memory_bytes: None,
        task_peak_memory_bytes: None,
    }
}

pub fn reporting(name: &str, in_flight: u32, at: f64) -> Worker {
    Worker { report: Some(report(in_flight, at)), ..worker(name) }
}

/// A queue whose unacknowledged tasks are known at once.
pub fn queue(ready: u64, unacked: u64, at: f64) -> QueueReading {
    QueueReading::Known(QueueCounts {
        ready,
        at: Timestamp(at),
        unacked: Some(Counted { count: unacked, at: Timestamp(at) }),
        ..QueueCounts::default()
    })
}

pub fn observation(queue: QueueReading, workers: Vec<Worker>) -> Observation {
    let replicas = workers.iter().filter(|worker| worker.phase != WorkerPhase::Terminating).count() as u32;
    Observation { queue, workers, replicas: Some(replicas), growth_refused: None }
}
