//! The law on real arrivals and durations, where the traces are at hand.

use std::path::{Path, PathBuf};

use super::fixtures::settings;
use super::world::{Setup, Sight, Task, run};
use crate::scaling::decision::{Backlog, Estimates};
use crate::scaling::settings::{DrainSupport, Prefetch, Settings};
use crate::scaling::time::Timestamp;
use crate::scaling::{Restored, State};

/// Arrivals are spread to this many times their real distance.
const STRETCH: f64 = 20.0;

/// Where the traces lie: beside the checkout, or where `AWP_TRACES` says.
fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/traces");
    let folder = std::env::var_os("AWP_TRACES").map_or(beside, PathBuf::from);
    folder.join("agent_runs.csv").is_file().then_some(folder)
}

/// Task i arrives at the stretched time of row i and lasts as long as row 7919·i of the runs.
fn tasks(arrivals: &str) -> Option<Vec<Task>> {
    let Some(folder) = folder() else {
        eprintln!("skipped: no traces; set AWP_TRACES to the folder with agent_runs.csv");
        return None;
    };
    let runs = std::fs::read_to_string(folder.join("agent_runs.csv")).unwrap();
    let durations: Vec<f64> =
        runs.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    let arrivals = std::fs::read_to_string(folder.join(arrivals)).unwrap();
    let times: Vec<f64> = arrivals.lines().skip(1).map(|line| second_of_day(line.split(',').next().unwrap())).collect();
    let task = |(i, time): (usize, &f64)| Task {
        arrives: ((time - times[0]) * STRETCH * 1000.0).round() as u64,
        lasts: (durations[(7919 * i) % durations.len()].max(1.0) * 1000.0).round() as u64,
    };
    Some(times.iter().enumerate().map(task).collect())
}

/// `2023-11-16 18:17:03.9799600` → 65823.97996
fn second_of_day(timestamp: &str) -> f64 {
    let time = timestamp.split(' ').nth(1).unwrap();
    time.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap())
}

/// The pool of the table, its start-up time known beforehand.
fn law(row: Row) -> (Settings, State) {
    let settings = Settings {
        drain: DrainSupport::Protocol,
        start_within: row.start_within,
        prefetch: Prefetch::Fixed(row.slots),
        max_replicas: 400 / row.slots,
        ..settings()
    };
    let estimates = Estimates { arrivals_per_second: 0.0, task_duration: 60.0, startup: row.startup, task_memory: 0 };
    let restored = Restored { replicas: 0, backlog: Backlog::default(), estimates };
    (settings, State::restored(restored, Timestamp(0.0)))
}

/// A row of the table in SCALING section 6.
#[derive(Clone, Copy)]
struct Row {
    arrivals: &'static str,
    /// b, D and T in seconds, P
    startup: f64,
    start_within: f64,
    interval: f64,
    slots: u32,
    worker_hours: f64,
}

/// Bursty arrivals.
const A1: Row =
    Row { arrivals: "azure_code.csv", startup: 20.0, start_within: 60.0, interval: 2.0, slots: 4, worker_hours: 104.9 };
/// Steady arrivals.
const A2: Row = Row { arrivals: "azure_conv.csv", worker_hours: 173.7, ..A1 };

#[track_caller]
fn assert_row(row: Row) {
    let Some(tasks) = tasks(row.arrivals) else { return };
    let (settings, state) = law(row);
    let milliseconds = |seconds: f64| (seconds * 1000.0) as u64;
    let setup = Setup {
        startup: milliseconds(row.startup),
        interval: milliseconds(row.interval),
        slots: row.slots,
        sight: Sight::Exact,
        restart_every: None,
    };
    let outcome = run(&tasks, setup, &settings, state);
    let off = outcome.worker_hours() / row.worker_hours - 1.0;
    let in_time = outcome.started_within(row.start_within) * 100.0;
    eprintln!(
        "{} b={} D={} T={} P={}: {:.1} worker-hours (table {}, {:+.1} %), {in_time:.2} % in time, longest {:.1} s, {} interrupted",
        row.arrivals,
        row.startup,
        row.start_within,
        row.interval,
        row.slots,
        outcome.worker_hours(),
        row.worker_hours,
        off * 100.0,
        outcome.longest_wait(),
        outcome.interrupted,
    );
    assert_eq!((outcome.waits.len(), outcome.interrupted, outcome.left), (tasks.len(), 0, 0));
    assert!(outcome.longest_wait() <= row.start_within);
    assert!(off.abs() <= 0.02);
}

#[test]
fn bursty_arrivals_cost_what_the_model_says() {
    assert_row(A1);
}

#[test]
fn steady_arrivals_cost_what_the_model_says() {
    assert_row(A2);
}

#[test]
#[ignore = "minutes without optimisation"]
fn every_row_of_the_law_costs_what_the_model_says() {
    let rows = [
        Row { interval: 15.0, worker_hours: 107.3, ..A1 },
        Row { interval: 15.0, worker_hours: 176.3, ..A2 },
        Row { startup: 10.0, worker_hours: 101.2, ..A1 },
        Row { startup: 40.0, worker_hours: 112.0, ..A1 },
        Row { startup: 50.0, worker_hours: 117.7, ..A1 },
        Row { startup: 10.0, worker_hours: 169.8, ..A2 },
        Row { startup: 40.0, worker_hours: 181.2, ..A2 },
        Row { startup: 50.0, worker_hours: 185.5, ..A2 },
        Row { start_within: 30.0, worker_hours: 109.2, ..A1 },
        Row { start_within: 120.0, worker_hours: 98.3, ..A1 },
        Row { start_within: 300.0, worker_hours: 89.0, ..A1 },
        Row { start_within: 30.0, worker_hours: 182.6, ..A2 },
        Row { start_within: 120.0, worker_hours: 164.3, ..A2 },
        Row { start_within: 300.0, worker_hours: 158.4, ..A2 },
        Row { slots: 1, worker_hours: 316.6, ..A1 },
        Row { slots: 2, worker_hours: 177.7, ..A1 },
        Row { slots: 8, worker_hours: 62.3, ..A1 },
        Row { slots: 1, worker_hours: 644.9, ..A2 },
        Row { slots: 2, worker_hours: 329.0, ..A2 },
        Row { slots: 8, worker_hours: 93.3, ..A2 },
    ];
    rows.into_iter().for_each(assert_row);
}
