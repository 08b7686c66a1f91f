//! In flight is not to be had: neither workers nor broker tell.

use super::fixtures::{observation, settings, worker};
use crate::scaling::decision::{Backlog, Estimates};
use crate::scaling::observation::{Counted, CountedByWorker, ErrorClass, QueueCounts, QueueReading, Unknown, Worker};
use crate::scaling::settings::Settings;
use crate::scaling::time::Timestamp;
use crate::scaling::{Restored, State, decide};

fn queued(ready: u64, at: f64) -> QueueReading {
    QueueReading::Known(QueueCounts { ready, at: Timestamp(at), ..QueueCounts::default() })
}

fn ready_since(name: &str, at: f64) -> Worker {
    Worker { created: Timestamp(at), first_ready: Some(Timestamp(at)), ..worker(name) }
}

/// Decides once a second, from one to the other.
fn seconds(mut state: State, from: u32, to: u32, ready: u64, workers: &[Worker]) -> (State, u32) {
    let settings = Settings { reports: false, task_duration: 36_000.0, ..settings() };
    let mut applied = 0;
    for now in (from..=to).map(f64::from) {
        let (next, decision) =
            decide(&state, &settings, &observation(queued(ready, now), workers.to_vec()), Timestamp(now));
        (state, applied) = (next, decision.applied);
    }
    (state, applied)
}

#[test]
fn a_new_worker_is_not_full_of_tasks_that_were_counted_before_it_was_ready() {
    let old = [worker("a"), worker("b")];
    let (state, applied) = seconds(State::new(Timestamp(0.0)), 0, 20, 8, &old);
    assert_eq!(applied, 4, "both may be full, so eight tasks need two more");

    let grown = [&old[..], &[ready_since("c", 21.0), ready_since("d", 21.0)]].concat();
    let (state, applied) = seconds(state, 21, 21, 8, &grown);
    assert_eq!(applied, 4);
    // They had the time to take them, and the tasks are still queued: they are full as well.
    let (_, applied) = seconds(state, 22, 25, 8, &grown);
    assert_eq!(applied, 6);
}

#[test]
fn after_an_outage_workers_are_not_taken_for_full_before_anybody_could_tell() {
    let old = [worker("a"), worker("b")];
    let (state, applied) = seconds(State::new(Timestamp(0.0)), 0, 20, 0, &old);
    assert_eq!(applied, 2);
    let lost = QueueReading::Unknown(Unknown {
        class: ErrorClass::Transient,
        reason: "BrokerUnreachable",
        message: "away".into(),
    });
    let settings = Settings { reports: false, ..settings() };
    let (state, _) = decide(&state, &settings, &observation(lost, old.to_vec()), Timestamp(30.0));
    // What the workers held is queued again.
    let (state, applied) = seconds(state, 31, 44, 8, &old);
    assert_eq!(applied, 2);
    let (_, applied) = seconds(state, 45, 50, 8, &old);
    assert_eq!(applied, 4);
}

#[test]
fn a_reading_that_grows_old_together_with_the_count_of_what_is_in_flight_adds_nobody() {
    let workers = [worker("a"), worker("b")];
    let settings = Settings { reports: false, task_duration: 36_000.0, ..settings() };
    let mut state = State::new(Timestamp(0.0));
    for now in (0..=30).map(f64::from) {
        let at = Timestamp(now - 4.0);
        let counts = QueueCounts {
            at: Timestamp(now),
            unacked: Some(Counted { count: 8, at }),
            unacked_by_worker: Some(CountedByWorker { counts: [("a".to_owned(), 4), ("b".to_owned(), 4)].into(), at }),
            ..QueueCounts::default()
        };
        (state, _) =
            decide(&state, &settings, &observation(QueueReading::Known(counts), workers.to_vec()), Timestamp(now));
    }
    // The broker goes down: the management API first, then tasks of lost workers are queued again, then all is still.
    for now in (31..=60).map(f64::from) {
        let seen = observation(queued(4, now.min(33.0)), workers.to_vec());
        let (next, decision) = decide(&state, &settings, &seen, Timestamp(now));
        state = next;
        assert!(decision.applied <= 3, "at {now}: {}", decision.reason);
        assert!(!decision.flags.scale_down_blind);
    }
}

#[test]
fn after_a_restart_a_count_from_before_it_makes_nobody_idle() {
    let workers = [worker("a"), worker("b")];
    let settings = Settings { reports: false, scale_down_window: Some(0.0), task_duration: 36_000.0, ..settings() };
    let backlog = Backlog { ready: 8, in_flight: Some(0), since: None };
    let estimates = Estimates { arrivals_per_second: 0.0, task_duration: 60.0, startup: 5.0, task_memory: 0 };
    let mut state = State::restored(Restored { replicas: 2, backlog, estimates }, Timestamp(100.0));
    // Both workers took four tasks a moment before; the broker's statistics do not show it yet.
    for now in (100..=104).map(f64::from) {
        let counts = QueueCounts {
            at: Timestamp(now),
            unacked: Some(Counted { count: 0, at: Timestamp(now - 5.0) }),
            ..QueueCounts::default()
        };
        let seen = observation(QueueReading::Known(counts), workers.to_vec());
        let (next, decision) = decide(&state, &settings, &seen, Timestamp(now));
        state = next;
        assert_eq!((decision.applied, decision.backlog.in_flight), (2, Some(8)), "at {now}: {}", decision.reason);
    }
}
