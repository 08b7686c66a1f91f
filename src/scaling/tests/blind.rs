//! In flight is not to be had: neither workers nor broker tell.

use super::fixtures::{observation, settings, worker};
use crate::scaling::observation::{QueueCounts, QueueReading, Worker};
use crate::scaling::settings::Settings;
use crate::scaling::time::Timestamp;
use crate::scaling::{State, decide};

fn queued(ready: u64, at: f64) -> QueueReading {
    QueueReading::Known(QueueCounts { ready, at: Timestamp(at), ..QueueCounts::default() })
}

fn ready_since(name: &str, at: f64) -> Worker {
    Worker { created: Timestamp(at), first_ready: Some(Timestamp(at)), ..worker(name) }
}

#[test]
fn a_new_worker_is_not_full_of_tasks_that_were_counted_before_it_was_ready() {
    let settings = Settings { reports: false, task_duration: 36_000.0, ..settings() };
    let old = || vec![worker("a"), worker("b")];
    let (state, decision) =
        decide(&State::new(Timestamp(0.0)), &settings, &observation(queued(8, 10.0), old()), Timestamp(10.0));
    assert_eq!(decision.applied, 4, "both may be full, so eight tasks need two more: {}", decision.reason);

    // The reader is silent for a while: the same reading again, and two workers more.
    let grown = [old(), vec![ready_since("c", 12.0), ready_since("d", 12.0)]].concat();
    let (state, decision) = decide(&state, &settings, &observation(queued(8, 10.0), grown.clone()), Timestamp(14.0));
    assert_eq!(decision.applied, 4, "{}", decision.reason);

    // They had the time to take them, and the tasks are still queued: they are full as well.
    let mut state = state;
    let mut applied = 0;
    for second in 15..=20 {
        let now = f64::from(second);
        let (next, decision) = decide(&state, &settings, &observation(queued(8, now), grown.clone()), Timestamp(now));
        (state, applied) = (next, decision.applied);
    }
    assert_eq!(applied, 6);
}
