//! What the law promises, in the loop with a queue, workers and a ReplicaSet.

use crate::scaling::settings::{DrainSupport, Settings};
use crate::scaling::tests::fixtures::settings;
use crate::simulation::cluster::{Conditions, Dispatch};
use crate::simulation::outcome::Outcome;
use crate::simulation::policy::law::{Law, Manner, Restarts, Sight};
use crate::simulation::run;
use crate::simulation::trace::{Task, Trace};

const CONDITIONS: Conditions =
    Conditions { slots: 4, startup: (20_000, 20_000), dispatch: Dispatch::Fullest, grace: 1_860_000, seed: 0 };

/// `count` tasks at once after ten quiet seconds, of 5 to 125 s in no order.
fn burst(count: u64) -> Trace {
    let tasks = (0..count).map(|i| Task { arrives: 10_000, lasts: 5_000 + (i * 7919) % 120_000 });
    Trace::new("burst", tasks.collect())
}

/// A task every `every` milliseconds for an hour, of 30 to 90 s.
fn steady(every: u64) -> Trace {
    let tasks = (0..3_600_000 / every).map(|i| Task { arrives: i * every, lasts: 30_000 + (i * 7919) % 60_000 });
    Trace::new("steady", tasks.collect())
}

fn law(drain: DrainSupport) -> Settings {
    Settings { drain, ..settings() }
}

/// A pool that was never seen before, decided on every second.
fn start(trace: &Trace, settings: Settings, manner: Manner) -> (Outcome, Restarts) {
    let mut law = Law::new(settings, manner, None);
    let outcome = run(trace, CONDITIONS, 1000, &mut law);
    (outcome, law.restarts())
}

fn outcome(trace: &Trace, settings: Settings) -> Outcome {
    start(trace, settings, Manner::default()).0
}

#[test]
fn a_burst_is_started_in_time_finished_and_the_pool_returns_to_zero() {
    for drain in [DrainSupport::IdleOnly, DrainSupport::Protocol] {
        let outcome = outcome(&burst(100), law(drain));
        assert_eq!(outcome.unfinished, 0);
        assert!(outcome.waits().max <= 60.0, "{drain:?}: {:?}", outcome.waits());
        assert_eq!((outcome.interrupted, outcome.left), (0, 0), "{drain:?}");
        assert_eq!(
            outcome.writes().first(),
            Some(&(10.0, 25)),
            "{drain:?}: from zero in one step, within one decision"
        );
        assert_eq!(outcome.most_workers, 25, "{drain:?}");
    }
}

#[test]
fn counts_five_seconds_old_neither_add_workers_nor_lose_tasks() {
    let settings = Settings { reports: false, ..law(DrainSupport::IdleOnly) };
    let (outcome, _) = start(&burst(100), settings, Manner { sight: Sight::Lagging, ..Manner::default() });
    assert_eq!(outcome.unfinished, 0);
    assert!(outcome.waits().max <= 60.0, "{:?}", outcome.waits());
    assert_eq!((outcome.interrupted, outcome.left), (0, 0));
    assert_eq!(outcome.most_workers, 25);
}

#[test]
fn workers_that_drain_on_sigterm_go_without_interrupting_anything() {
    let settings = Settings { reports: false, ..law(DrainSupport::Sigterm) };
    let (outcome, _) = start(&burst(100), settings, Manner { sight: Sight::Total, ..Manner::default() });
    assert_eq!((outcome.unfinished, outcome.interrupted, outcome.left), (0, 0, 0));
    assert!(outcome.waits().max <= 60.0, "{:?}", outcome.waits());
}

#[test]
fn a_single_task_wakes_one_worker_and_lets_it_go() {
    let trace = Trace::new("single", vec![Task { arrives: 3_000, lasts: 45_000 }]);
    let outcome = outcome(&trace, law(DrainSupport::IdleOnly));
    assert_eq!(outcome.writes().len(), 2, "{:?}", outcome.writes());
    assert_eq!((outcome.interrupted, outcome.left, outcome.most_workers), (0, 0, 1));
    assert_eq!(outcome.worker_seconds, 20.0 + 45.0, "a worker costs until the last completion");
    let rested = outcome.moments.last().unwrap().at;
    assert!(rested < 3_000 + 20_000 + 45_000 + 35_000, "{rested}");
}

#[test]
fn a_steady_stream_is_served_in_time_without_flapping() {
    let trace = steady(1500);
    let outcome = outcome(&trace, law(DrainSupport::Protocol));
    assert!(outcome.waits().max <= 60.0, "{:?}", outcome.waits());
    assert_eq!((outcome.interrupted, outcome.left), (0, 0));
    let packed = trace.packed_worker_hours(4);
    assert!(outcome.worker_hours() < 1.3 * packed, "{} of {packed}", outcome.worker_hours());
    assert!(outcome.writes().len() < 120, "{} writes in an hour", outcome.writes().len());
}

#[test]
fn restarts_scale_nothing() {
    let trace = steady(1500);
    let calm = outcome(&trace, law(DrainSupport::IdleOnly));
    let manner = Manner { restart_every: Some(97), ..Manner::default() };
    let (restarted, restarts) = start(&trace, law(DrainSupport::IdleOnly), manner);
    assert!(restarts.count > 30);
    assert_eq!(restarts.moved, 0, "a decision after a restart changed replicas");
    assert_eq!((restarted.interrupted, restarted.left), (0, 0));
    assert!(restarted.waits().max <= 60.0, "{:?}", restarted.waits());
    assert!(restarted.worker_seconds < 1.05 * calm.worker_seconds);
}
