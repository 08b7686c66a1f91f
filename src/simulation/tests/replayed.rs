//! A load that was recorded and is replayed costs what the load itself costs.

use crate::scaling::settings::{DrainSupport, Prefetch, Settings};
use crate::scaling::tests::fixtures::settings;
use crate::simulation::cluster::{Conditions, Dispatch};
use crate::simulation::outcome::Outcome;
use crate::simulation::policy::law::{Law, Manner};
use crate::simulation::replay::{Reading, replay};
use crate::simulation::run;
use crate::simulation::trace::synthetic::{Arrivals, Synthetic};
use crate::simulation::trace::{Millis, Trace, millis, seconds};

fn under(trace: &Trace, slots: u32, start_within: f64) -> Outcome {
    let settings =
        Settings { drain: DrainSupport::Protocol, prefetch: Prefetch::Fixed(slots), start_within, ..settings() };
    let mut law = Law::new(settings, Manner::default(), Some(20.0));
    let conditions = Conditions { slots, startup: (20_000, 20_000), dispatch: Dispatch::Fullest, grace: 0, seed: 0 };
    run(trace, conditions, 2000, &mut law)
}

/// What the operator would have recorded of a run.
fn readings(trace: &Trace, outcome: &Outcome) -> Vec<Reading> {
    let end = |(task, wait): (&crate::simulation::trace::Task, &Option<f64>)| {
        task.arrives + millis(wait.unwrap()) + task.lasts
    };
    let mut ends: Vec<Millis> = trace.tasks.iter().zip(&outcome.waits).map(end).collect();
    ends.sort_unstable();
    let mut before = 0;
    let reading = |moment: &crate::simulation::run::Moment| {
        let ended = ends.partition_point(|end| *end <= moment.at);
        let completed = (ended - before) as u64;
        before = ended;
        Reading {
            at: seconds(moment.at),
            ready: u64::from(moment.ready),
            in_flight: u64::from(moment.in_flight),
            completed,
            workers: moment.workers,
        }
    };
    outcome.moments.iter().map(reading).collect()
}

#[test]
fn a_replayed_load_costs_what_the_load_costs_also_with_other_settings() {
    let arrivals = Arrivals::Burst { tasks: 90, every: 1200.0 };
    let load = Synthetic { arrivals, lasts: 4.0 * 3600.0, mean_duration: 90.0, seed: 5 }.trace();
    let recorded = under(&load, 4, 60.0);
    let replayed = replay("recorded", &readings(&load, &recorded)).unwrap();
    assert_eq!((replayed.trace.tasks.len(), replayed.open), (load.tasks.len(), 0));
    assert!((replayed.worker_seconds / recorded.worker_seconds - 1.0).abs() < 0.01, "{}", replayed.worker_seconds);
    for (slots, start_within) in [(4, 60.0), (2, 60.0), (8, 60.0), (4, 30.0), (4, 180.0)] {
        let (original, again) = (under(&load, slots, start_within), under(&replayed.trace, slots, start_within));
        let off = again.worker_seconds / original.worker_seconds - 1.0;
        eprintln!("prefetch {slots}, startWithin {start_within}: {:+.1} %", off * 100.0);
        assert!(off.abs() <= 0.05, "prefetch {slots}, startWithin {start_within}: {:+.1} %", off * 100.0);
        assert!(again.waits().max <= start_within);
    }
}
