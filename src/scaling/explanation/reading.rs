//! What was read, how old it was, and how sure it is.

use crate::scaling::load::FRESH;
use crate::scaling::observation::{Counted, Observation, QueueReading, Unknown};
use crate::scaling::settings::Settings;
use crate::scaling::state::State;
use crate::scaling::time::Timestamp;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The last count of waiting tasks that could be used, and when it was taken.
    pub ready: Option<Counted>,
    /// What the broker says is in flight, whole queue.
    pub unacked: Option<Counted>,
    /// When the broker told who holds what; `None` = not to be had, or not needed.
    pub by_worker: Option<Timestamp>,
    /// `None` = the workers have no status endpoint.
    pub reported: Option<Reported>,
    /// Why the queue is not known now.
    pub unknown: Option<Unknown>,
    /// Seconds for which the queue has not been known; `None` = it is.
    pub unknown_for: Option<f64>,
    /// Seconds until the fallback raises the pool; `None` = there is none, or the queue is known.
    pub fallback_in: Option<f64>,
}

/// What the workers' own endpoints say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reported {
    /// Workers that answered lately, of those that could.
    pub workers: u32,
    pub of: u32,
    pub in_flight: u64,
    /// When the oldest of the reports was given.
    pub oldest: Option<Timestamp>,
}

pub(super) fn of(after: &State, settings: &Settings, observation: &Observation, now: Timestamp) -> Reading {
    let (counts, unknown) = match &observation.queue {
        QueueReading::Known(counts) => (Some(counts), None),
        QueueReading::Unknown(unknown) => (None, Some(unknown.clone())),
    };
    let unknown_for = unknown.as_ref().map(|_| now.since(after.reading.map_or(after.started, |reading| reading.at)));
    let due = |waited: f64| settings.fallback.map(|fallback| (fallback.after - waited).max(0.0));
    Reading {
        ready: after.reading.map(|reading| Counted { count: reading.ready, at: reading.at }),
        unacked: counts.and_then(|counts| counts.unacked),
        by_worker: counts.and_then(|counts| counts.unacked_by_worker.as_ref()).map(|map| map.at),
        reported: settings.reports.then(|| reported(observation, now)),
        unknown,
        unknown_for,
        fallback_in: unknown_for.and_then(due),
    }
}

fn reported(observation: &Observation, now: Timestamp) -> Reported {
    let started = observation.workers.iter().filter(|worker| worker.report.is_some() || worker.first_ready.is_some());
    let mut reported = Reported { of: started.count() as u32, ..Reported::default() };
    let reports = observation.workers.iter().filter_map(|worker| worker.report.as_ref());
    for report in reports.filter(|report| now.since(report.at) <= FRESH) {
        reported.workers += 1;
        reported.in_flight += u64::from(report.in_flight);
        let older = reported.oldest.is_none_or(|oldest| report.at < oldest);
        reported.oldest = if older { Some(report.at) } else { reported.oldest };
    }
    reported
}
