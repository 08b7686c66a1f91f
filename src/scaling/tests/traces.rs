//! The law on real arrivals and durations, where the traces are at hand.

use std::path::{Path, PathBuf};

use super::fixtures::settings;
use super::world::{Setup, Sight, Task, run};
use crate::scaling::decision::{Backlog, Estimates};
use crate::scaling::settings::{DrainSupport, Settings};
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

fn law(startup: f64, start_within: f64) -> (Settings, State) {
    let settings = Settings { drain: DrainSupport::Protocol, start_within, ..settings() };
    let restored = Restored {
        replicas: 0,
        backlog: Backlog::default(),
        estimates: Estimates { arrivals_per_second: 0.0, task_duration: 60.0, startup, task_memory: 0 },
    };
    (settings, State::restored(restored, Timestamp(0.0)))
}

#[track_caller]
fn assert_row(arrivals: &str, startup: f64, start_within: f64, interval: u64, worker_hours: f64) {
    let Some(tasks) = tasks(arrivals) else { return };
    let (settings, state) = law(startup, start_within);
    let setup =
        Setup { startup: (startup * 1000.0) as u64, interval, slots: 4, sight: Sight::Exact, restart_every: None };
    let outcome = run(&tasks, setup, &settings, state);
    let in_time = outcome.started_within(start_within) * 100.0;
    eprintln!(
        "{arrivals} b={startup} D={start_within} T={interval}ms: {:.1} worker-hours (expected {worker_hours}), {in_time:.2} % in time (longest {:.1} s), {} interrupted, {} writes, {} decisions",
        outcome.worker_hours(),
        outcome.longest_wait(),
        outcome.interrupted,
        outcome.writes.len(),
        outcome.decisions,
    );
    assert_eq!((outcome.waits.len(), outcome.interrupted, outcome.left), (tasks.len(), 0, 0));
    assert_eq!(in_time, 100.0);
    assert!((outcome.worker_hours() / worker_hours - 1.0).abs() <= 0.02);
}

#[test]
fn bursty_arrivals_cost_what_the_model_says() {
    assert_row("azure_code.csv", 20.0, 60.0, 2000, 104.9);
}

#[test]
fn steady_arrivals_cost_what_the_model_says() {
    assert_row("azure_conv.csv", 20.0, 60.0, 2000, 173.7);
}

#[test]
fn slower_decisions_cost_little() {
    assert_row("azure_code.csv", 20.0, 60.0, 15000, 107.3);
}

#[test]
fn a_longer_promise_costs_less() {
    assert_row("azure_code.csv", 20.0, 300.0, 2000, 89.0);
}
