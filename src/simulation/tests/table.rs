//! The table of what the law must achieve, on real arrivals and durations, where the traces are at hand.

use std::path::{Path, PathBuf};

use crate::scaling::settings::{DrainSupport, Prefetch, Settings};
use crate::scaling::tests::fixtures::settings;
use crate::simulation::cluster::{Conditions, Dispatch};
use crate::simulation::compare::{Contender, Pool};
use crate::simulation::policy::law::{Law, Manner, Sight};
use crate::simulation::run;
use crate::simulation::trace::public::{BURSTY, RUNS, STEADY, Set};
use crate::simulation::trace::{Trace, millis};

/// Where the traces lie: beside the checkout, or where `AWP_TRACES` says.
fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/traces");
    let folder = std::env::var_os("AWP_TRACES").map_or(beside, PathBuf::from);
    folder.join(RUNS).is_file().then_some(folder)
}

fn trace(set: Set) -> Option<Trace> {
    let Some(folder) = folder() else {
        eprintln!("skipped: no traces; set AWP_TRACES to the folder with {RUNS}");
        return None;
    };
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    Some(set.trace(&read(set.arrivals), &read(RUNS)).unwrap())
}

/// A row of the law.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// b, D and T, seconds
    startup: f64,
    start_within: f64,
    interval: f64,
    /// P
    slots: u32,
    dispatch: Dispatch,
    eager_resume: bool,
    /// On A' and A''.
    worker_hours: (f64, f64),
}

const LAW: Row = Row {
    startup: 20.0,
    start_within: 60.0,
    interval: 2.0,
    slots: 4,
    dispatch: Dispatch::Fullest,
    eager_resume: true,
    worker_hours: (104.9, 173.7),
};

impl Row {
    fn settings(self) -> Settings {
        Settings {
            drain: DrainSupport::Protocol,
            start_within: self.start_within,
            prefetch: Prefetch::Fixed(self.slots),
            max_replicas: 400 / self.slots,
            ..settings()
        }
    }

    #[track_caller]
    fn check(self, set: Set) {
        let Some(trace) = trace(set) else { return };
        let manner = Manner { eager_resume: self.eager_resume, ..Manner::default() };
        let mut law = Law::new(self.settings(), manner, Some(self.startup));
        let startup = (millis(self.startup), millis(self.startup));
        let conditions = Conditions { slots: self.slots, startup, dispatch: self.dispatch, grace: 0, seed: 0 };
        let outcome = run(&trace, conditions, millis(self.interval), &mut law);
        let expected = if set == BURSTY { self.worker_hours.0 } else { self.worker_hours.1 };
        let off = outcome.worker_hours() / expected - 1.0;
        let hours = outcome.worker_hours();
        eprintln!("{} {self:?}: {hours:.1} worker-hours ({:+.1} %)", set.name, off * 100.0);
        assert_eq!((outcome.unfinished, outcome.interrupted, outcome.left), (0, 0, 0));
        assert!(outcome.waits().max <= self.start_within, "{:?}", outcome.waits());
        assert!(off.abs() <= 0.02, "{hours:.1} worker-hours, {:+.1} %", off * 100.0);
    }
}

/// A row of the others: worker-hours within 3 % or so many, interruptions within bounds.
#[track_caller]
fn check(contender: Contender, set: Set, worker_hours: f64, interrupted: (f64, f64)) {
    let Some(trace) = trace(set) else { return };
    let pool = Pool {
        settings: LAW.settings(),
        startup: (LAW.startup, LAW.startup),
        interval: LAW.interval,
        dispatch: LAW.dispatch,
        sight: Sight::Exact,
        new: false,
        seed: 0,
    };
    let (outcome, summary) = contender.run(&trace, &pool);
    let off = summary.worker_hours / worker_hours - 1.0;
    eprintln!("{} {contender:?}: {summary:?} ({:+.1} %)", set.name, off * 100.0);
    assert_eq!((outcome.unfinished, outcome.left), (0, 0));
    assert_eq!(summary.in_time, 1.0);
    assert!(off.abs() <= 0.03, "{:.1} worker-hours, {:+.1} %", summary.worker_hours, off * 100.0);
    let (expected, within) = interrupted;
    assert!((summary.interrupted - expected).abs() <= within, "{} interrupted", summary.interrupted);
}

#[test]
fn the_law_costs_what_the_table_says_on_bursty_arrivals() {
    LAW.check(BURSTY);
}

#[test]
fn the_law_costs_what_the_table_says_on_steady_arrivals() {
    LAW.check(STEADY);
}

#[test]
fn a_decision_every_fifteen_seconds_costs_what_the_table_says() {
    let row = Row { interval: 15.0, worker_hours: (107.3, 176.3), ..LAW };
    row.check(BURSTY);
    row.check(STEADY);
}

#[test]
fn what_keda_and_hpa_do_costs_and_interrupts_what_the_table_says() {
    check(Contender::Killing, BURSTY, 155.0, (600.0, 30.0));
    check(Contender::Killing, STEADY, 207.5, (450.0, 20.0));
}

#[test]
fn the_same_with_draining_costs_what_the_table_says() {
    check(Contender::Draining, BURSTY, 147.1, (0.0, 0.0));
    check(Contender::Draining, STEADY, 212.4, (0.0, 0.0));
}

#[test]
fn foresight_costs_what_the_table_says() {
    check(Contender::Foresight, BURSTY, 100.9, (0.0, 0.0));
    check(Contender::Foresight, STEADY, 165.9, (0.0, 0.0));
}

#[test]
fn giving_tasks_to_the_least_busy_worker_costs_what_the_table_says() {
    let row = Row { dispatch: Dispatch::LeastBusy, worker_hours: (104.2, 175.4), ..LAW };
    row.check(BURSTY);
    row.check(STEADY);
}

#[test]
fn to_resume_nobody_eagerly_costs_what_the_table_says() {
    let row = Row { eager_resume: false, worker_hours: (104.5, 172.6), ..LAW };
    row.check(BURSTY);
    row.check(STEADY);
}

#[test]
fn other_start_up_times_cost_what_the_table_says() {
    for row in [
        Row { startup: 10.0, worker_hours: (101.2, 169.8), ..LAW },
        Row { startup: 40.0, worker_hours: (112.0, 181.2), ..LAW },
        Row { startup: 50.0, worker_hours: (117.7, 185.5), ..LAW },
    ] {
        row.check(BURSTY);
        row.check(STEADY);
    }
}

#[test]
fn other_promises_cost_what_the_table_says() {
    for row in [
        Row { start_within: 30.0, worker_hours: (109.2, 182.6), ..LAW },
        Row { start_within: 120.0, worker_hours: (98.3, 164.3), ..LAW },
        Row { start_within: 300.0, worker_hours: (89.0, 158.4), ..LAW },
    ] {
        row.check(BURSTY);
        row.check(STEADY);
    }
}

#[test]
fn smaller_and_larger_workers_cost_what_the_table_says() {
    for row in [
        Row { slots: 1, worker_hours: (316.6, 644.9), ..LAW },
        Row { slots: 2, worker_hours: (177.7, 329.0), ..LAW },
        Row { slots: 8, worker_hours: (62.3, 93.3), ..LAW },
    ] {
        row.check(BURSTY);
        row.check(STEADY);
    }
}
