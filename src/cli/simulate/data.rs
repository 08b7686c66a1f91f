//! The answer for scripts.

use serde::Serialize;

use super::{Run, Story};
use crate::scaling::settings::DrainSupport;
use crate::simulation::compare::Pool;
use crate::simulation::outcome::{Late, Waits};
use crate::simulation::policy::law::Sight;
use crate::simulation::replay::Replayed;
use crate::simulation::trace::seconds;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    load: Load,
    pool: PoolData,
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<Recorded>,
    runs: Vec<RunData>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Load {
    name: String,
    tasks: usize,
    hours: f64,
    mean_duration_seconds: f64,
    packed_worker_hours: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PoolData {
    start_within_seconds: f64,
    prefetch: u32,
    min_replicas: u32,
    max_replicas: u32,
    startup_seconds: [f64; 2],
    interval_seconds: f64,
    drain: &'static str,
    sight: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    /// Seconds since 1970.
    start: f64,
    worker_hours: f64,
    longest_wait_seconds: f64,
    started_in_time: f64,
    /// Tasks that had not ended when the record did.
    open: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RunData {
    policy: &'static str,
    what: &'static str,
    tasks: usize,
    unfinished: f64,
    /// 0 to 1
    started_in_time: f64,
    wait_seconds: WaitData,
    worker_hours: f64,
    /// Worker-hours over perfectly packed ones.
    packed_ratio: f64,
    interrupted: f64,
    most_workers: f64,
    workers_started: f64,
    late: Vec<LateData>,
}

/// `null` = for ever.
#[derive(Debug, Serialize)]
struct WaitData {
    mean: f64,
    p50: f64,
    p95: f64,
    max: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LateData {
    from_seconds: f64,
    to_seconds: f64,
    tasks: usize,
    longest_wait_seconds: f64,
}

pub(super) fn of(story: &Story) -> Answer {
    let trace = &story.load.trace;
    let slots = story.pool.slots();
    Answer {
        load: Load {
            name: trace.name.clone(),
            tasks: trace.tasks.len(),
            hours: seconds(trace.length()) / 3600.0,
            mean_duration_seconds: trace.mean_duration(),
            packed_worker_hours: trace.packed_worker_hours(slots),
        },
        pool: pool(&story.pool, slots),
        recorded: story.load.recorded.as_ref().map(|recorded| recorded_data(recorded, &story.pool)),
        runs: story.runs.iter().map(run).collect(),
    }
}

fn pool(pool: &Pool, slots: u32) -> PoolData {
    let settings = &pool.settings;
    PoolData {
        start_within_seconds: settings.start_within,
        prefetch: slots,
        min_replicas: settings.min_replicas,
        max_replicas: settings.max_replicas,
        startup_seconds: [pool.startup.0, pool.startup.1],
        interval_seconds: pool.interval,
        drain: match settings.drain {
            DrainSupport::Protocol => "protocol",
            DrainSupport::IdleOnly => "idle-only",
            DrainSupport::Sigterm => "sigterm",
        },
        sight: match pool.sight {
            Sight::Exact => "exact",
            Sight::Lagging => "lagging",
            Sight::Total => "total",
        },
    }
}

fn recorded_data(recorded: &Replayed, pool: &Pool) -> Recorded {
    Recorded {
        start: recorded.start,
        worker_hours: recorded.worker_seconds / 3600.0,
        longest_wait_seconds: recorded.longest_wait(),
        started_in_time: recorded.started_within(pool.settings.start_within),
        open: recorded.open,
    }
}

fn run(run: &Run) -> RunData {
    let summary = &run.summary;
    let Waits { mean, p50, p95, max } = summary.waits;
    let late = |late: &Late| LateData {
        from_seconds: late.from,
        to_seconds: late.to,
        tasks: late.tasks,
        longest_wait_seconds: late.longest_wait,
    };
    RunData {
        policy: run.contender.name(),
        what: run.contender.what(),
        tasks: summary.tasks,
        unfinished: summary.unfinished,
        started_in_time: summary.in_time,
        wait_seconds: WaitData { mean, p50, p95, max },
        worker_hours: summary.worker_hours,
        packed_ratio: summary.packed_ratio(),
        interrupted: summary.interrupted,
        most_workers: summary.most_workers,
        workers_started: summary.starts,
        late: run.late.iter().map(late).collect(),
    }
}
