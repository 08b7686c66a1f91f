//! `decide` in the loop with a queue, workers and a ReplicaSet, in virtual time.

use super::fixtures::settings;
use super::world::{Outcome, Setup, Sight, Task, run};
use crate::scaling::State;
use crate::scaling::settings::{DrainSupport, Settings};
use crate::scaling::time::Timestamp;

const SETUP: Setup = Setup { startup: 20_000, interval: 1000, slots: 4, sight: Sight::Exact, restart_every: None };

/// `count` tasks at once after ten quiet seconds, of 5 to 125 s in no order.
fn burst(count: u64) -> Vec<Task> {
    (0..count).map(|i| Task { arrives: 10_000, lasts: 5_000 + (i * 7919) % 120_000 }).collect()
}

/// A task every `every` milliseconds for an hour, of 30 to 90 s.
fn steady(every: u64) -> Vec<Task> {
    (0..3_600_000 / every).map(|i| Task { arrives: i * every, lasts: 30_000 + (i * 7919) % 60_000 }).collect()
}

fn law(drain: DrainSupport) -> Settings {
    Settings { drain, ..settings() }
}

fn start(tasks: &[Task], setup: Setup, settings: &Settings) -> Outcome {
    run(tasks, setup, settings, State::new(Timestamp(0.0)))
}

#[test]
fn a_burst_is_started_in_time_finished_and_the_pool_returns_to_zero() {
    for drain in [DrainSupport::IdleOnly, DrainSupport::Protocol] {
        let outcome = start(&burst(100), SETUP, &law(drain));
        assert_eq!(outcome.waits.len(), 100);
        assert!(outcome.longest_wait() <= 60.0, "{drain:?}: {}", outcome.longest_wait());
        assert_eq!((outcome.interrupted, outcome.left), (0, 0), "{drain:?}");
        assert_eq!(outcome.writes.first(), Some(&(10.0, 25)), "{drain:?}: from zero in one step, within one decision");
        assert_eq!(outcome.most_workers, 25, "{drain:?}");
    }
}

#[test]
fn counts_five_seconds_old_neither_add_workers_nor_lose_tasks() {
    let setup = Setup { sight: Sight::Lagging, ..SETUP };
    let settings = Settings { reports: false, ..law(DrainSupport::IdleOnly) };
    let outcome = start(&burst(100), setup, &settings);
    assert_eq!(outcome.waits.len(), 100);
    assert!(outcome.longest_wait() <= 60.0, "{}", outcome.longest_wait());
    assert_eq!((outcome.interrupted, outcome.left), (0, 0));
    assert_eq!(outcome.most_workers, 25);
}

#[test]
fn a_single_task_wakes_one_worker_and_lets_it_go() {
    let tasks = [Task { arrives: 3_000, lasts: 45_000 }];
    let outcome = start(&tasks, SETUP, &law(DrainSupport::IdleOnly));
    assert_eq!(outcome.writes.len(), 2, "{:?}", outcome.writes);
    assert_eq!((outcome.interrupted, outcome.left, outcome.most_workers), (0, 0, 1));
    assert!(outcome.worker_seconds < 45.0 + 20.0 + 35.0, "{}", outcome.worker_seconds);
}

#[test]
fn a_steady_stream_is_served_in_time_without_flapping() {
    let tasks = steady(1500);
    let outcome = start(&tasks, SETUP, &law(DrainSupport::Protocol));
    assert!(outcome.longest_wait() <= 60.0, "{}", outcome.longest_wait());
    assert_eq!((outcome.interrupted, outcome.left), (0, 0));
    let packed = tasks.iter().map(|task| task.lasts as f64 / 1000.0).sum::<f64>() / 4.0;
    assert!(outcome.worker_seconds < 1.3 * packed, "{} of {packed}", outcome.worker_seconds);
    assert!(outcome.writes.len() < 120, "{} writes in an hour", outcome.writes.len());
}

#[test]
fn restarts_scale_nothing() {
    let tasks = steady(1500);
    let calm = start(&tasks, SETUP, &law(DrainSupport::IdleOnly));
    let restarted = start(&tasks, Setup { restart_every: Some(97), ..SETUP }, &law(DrainSupport::IdleOnly));
    assert!(restarted.restarts > 30);
    assert_eq!(restarted.moved_by_restart, 0, "a decision after a restart changed replicas");
    assert_eq!((restarted.interrupted, restarted.left), (0, 0));
    assert!(restarted.longest_wait() <= 60.0, "{}", restarted.longest_wait());
    assert!(restarted.worker_seconds < 1.05 * calm.worker_seconds);
}
