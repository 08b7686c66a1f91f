//! The law of `src/scaling`, compiled by itself, and pools to decide on.

#[path = "../../../src/scaling/mod.rs"]
pub mod scaling;

use scaling::observation::{Counted, Observation, QueueCounts, QueueReading, Report, Worker, WorkerPhase, WorkerState};
use scaling::settings::{DrainSupport, Mode, Prefetch, Settings};
use scaling::time::Timestamp;
use scaling::{State, decide};

/// Tasks queued and workers running in the cases that are measured.
pub const QUEUED: [u64; 3] = [10, 1_000, 100_000];
pub const WORKERS: [u32; 4] = [0, 3, 12, 100];

const SLOTS: u32 = 4;
const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
/// Seconds of history, one reading each: everything that the law remembers has filled up by then.
const HISTORY: u32 = 900;

/// A pool at work, in the middle of its life.
#[derive(Debug)]
pub struct Pool {
    pub settings: Settings,
    pub state: State,
    queued: u64,
    workers: u32,
}

impl Pool {
    /// `workers` work on a queue in which `queued` tasks wait, one coming and one going each second; they are as many
    /// as the pool may have.
    pub fn at_work(queued: u64, workers: u32) -> Self {
        let settings = settings(workers);
        let mut state = State::new(Timestamp(0.0));
        for second in 0..HISTORY {
            state = decide(&state, &settings, &look(queued, workers, second), time(second)).0;
        }
        Self { settings, state, queued, workers }
    }

    /// The next look, or one of those after it, a second apart: each has a new reading and a new report of each worker.
    pub fn look(&self, after: u32) -> (Timestamp, Observation) {
        let second = HISTORY + after;
        (time(second), look(self.queued, self.workers, second))
    }
}

fn time(second: u32) -> Timestamp {
    Timestamp(f64::from(second))
}

/// The defaults, but for the bound.
fn settings(workers: u32) -> Settings {
    Settings {
        mode: Mode::Auto,
        hold_replicas: None,
        min_replicas: 0,
        max_replicas: workers.max(1),
        max_concurrency: None,
        max_memory: None,
        start_within: 60.0,
        task_duration: 60.0,
        warm_slots: 0,
        scale_down_window: None,
        fallback: None,
        prefetch: Prefetch::Auto {
            min: 1,
            max: 16,
            base_memory: 256 * MIB,
            task_memory: 300 * MIB,
            headroom_percent: 20,
        },
        container_memory: Some(2 * GIB),
        worker_memory: Some(2 * GIB),
        reports: true,
        drain_timeout: 1800.0,
        drain: DrainSupport::IdleOnly,
    }
}

fn look(queued: u64, workers: u32, second: u32) -> Observation {
    let in_flight = Counted { count: u64::from(workers * SLOTS), at: time(second) };
    Observation {
        queue: QueueReading::Known(QueueCounts {
            ready: queued + u64::from(second % 3),
            at: time(second),
            unacked: Some(in_flight),
            ..QueueCounts::default()
        }),
        workers: (0..workers).map(|number| worker(number, second)).collect(),
        replicas: Some(workers),
        growth_refused: None,
    }
}

/// Full at all times; the workers' tasks end in turn.
fn worker(number: u32, second: u32) -> Worker {
    let completed = u64::from((second + number) / 40);
    Worker {
        name: format!("research-6d4cf56db6-{:05}", number * 7_919 % 100_000),
        created: Timestamp(-100.0),
        phase: WorkerPhase::Ready,
        first_ready: Some(Timestamp(-90.0)),
        slots: SLOTS,
        memory_limit: 2 * GIB,
        revision: "6d4cf56db6".to_owned(),
        node: Some(format!("node-{}", number % 10)),
        restarts: 0,
        deletion_cost: 0,
        report: Some(Report {
            at: time(second),
            state: WorkerState::Running,
            in_flight: SLOTS,
            slots: Some(SLOTS),
            completed: Some(completed),
            failed: Some(0),
            busy_seconds: Some(f64::from(SLOTS * second)),
            memory_bytes: Some(GIB),
            base_memory_bytes: Some(200 * MIB),
            task_peak_memory_bytes: Some((250 + u64::from(number % 5) * 10) * MIB),
        }),
        oom_killed: false,
    }
}
