//! What one worker holds, as far as it can be seen.

use super::observation::{Counted, CountedByWorker, QueueCounts, Worker, WorkerPhase};
use super::time::Timestamp;

/// Seconds for which a count can be used. Brokers' statistics are up to 5 s old when they are read
/// and are read every 5 s; older means the source has gone.
pub const FRESH: f64 = 15.0;

/// Seconds for which "holds nothing" is believed: the slowest source tells what was
/// true 5 s before it was asked, and is asked every 5 s.
const IDLE_FRESH: f64 = 12.0;

/// What a worker holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Tasks; `None` = not to be seen, which is not 0.
    pub held: Option<u32>,
    /// Seen to hold nothing, since the last task left the queue.
    pub idle: bool,
}

/// Where loads are read from, besides the workers' own reports.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    pub now: Timestamp,
    pub by_worker: Option<&'a CountedByWorker>,
    /// Every unacknowledged task is on a worker we know: one that is absent from the map is idle.
    pub complete: bool,
    /// The whole queue's unacknowledged tasks.
    pub unacked: Option<Counted>,
    /// When ready was last seen to fall: whoever was seen idle before may have taken that task.
    pub last_pick_up: Option<Timestamp>,
    /// Since when falls of ready are seen at all: before a start and during an outage they are not.
    pub watched_since: Timestamp,
    /// Workers have a status endpoint.
    pub reports: bool,
}

impl<'a> Sources<'a> {
    pub fn new(
        queue: Option<&'a QueueCounts>,
        workers: &[Worker],
        last_pick_up: Option<Timestamp>,
        watched_since: Timestamp,
        reports: bool,
        now: Timestamp,
    ) -> Self {
        let fresh = |at: Timestamp| now.since(at) <= FRESH;
        let by_worker = queue.and_then(|queue| queue.unacked_by_worker.as_ref()).filter(|map| fresh(map.at));
        let unacked = queue.and_then(|queue| {
            // A zero that may be a minute old shows nobody idle.
            queue.unacked.filter(|unacked| fresh(unacked.at) && (unacked.count > 0 || !queue.unsettled))
        });
        Self {
            now,
            by_worker,
            complete: by_worker.is_some_and(|map| complete(map, unacked, workers)),
            unacked,
            last_pick_up,
            watched_since,
            reports,
        }
    }

    /// The larger of what the worker says and what the broker says of it.
    pub fn load(&self, worker: &Worker) -> Load {
        let mut held: Option<u64> = None;
        let mut seen_at: Option<Timestamp> = None;
        let mut see = |count: u64, at: Timestamp| {
            held = Some(held.map_or(count, |held| held.max(count)));
            seen_at = Some(seen_at.map_or(at, |seen| if at > seen { at } else { seen }));
        };
        if let Some(report) = worker.report.as_ref().filter(|report| self.now.since(report.at) <= FRESH) {
            see(u64::from(report.in_flight), report.at);
        }
        if let Some(map) = self.by_worker {
            match map.counts.get(&worker.name) {
                Some(count) => see(*count, map.at),
                None if self.complete => see(0, map.at),
                None => {}
            }
        }
        if let Some(unacked) = self.unacked.filter(|unacked| unacked.count == 0) {
            see(0, unacked.at);
        }
        let idle =
            held.unwrap_or(0) == 0 && (self.cannot_have_begun(worker) || seen_at.is_some_and(|at| self.now_idle(at)));
        Load { held: held.map(|held| u32::try_from(held).unwrap_or(u32::MAX)).or(idle.then_some(0)), idle }
    }

    /// Some workers have run for long enough to be seen, and no source shows what any of them holds.
    pub fn blind(&self, workers: &[Worker], listening_since: Timestamp) -> bool {
        if self.by_worker.is_some() || self.now.since(listening_since) <= FRESH {
            return false;
        }
        let reporting =
            |worker: &Worker| worker.report.as_ref().is_some_and(|report| self.now.since(report.at) <= FRESH);
        workers.iter().any(|worker| worker.first_ready.is_some_and(|ready| self.now.since(ready) > FRESH))
            && !workers.iter().any(reporting)
    }

    fn now_idle(&self, seen_at: Timestamp) -> bool {
        self.now.since(seen_at) <= IDLE_FRESH
            && seen_at >= self.watched_since
            && self.last_pick_up.is_none_or(|pick_up| seen_at >= pick_up)
    }

    /// No container runs; or it never was ready, its endpoint never answered, and no task has left
    /// the queue that it could have taken.
    fn cannot_have_begun(&self, worker: &Worker) -> bool {
        match worker.phase {
            WorkerPhase::Unassigned | WorkerPhase::Pending => true,
            WorkerPhase::NotReady => {
                let silent = self.reports && worker.first_ready.is_none() && worker.report.is_none();
                silent && self.last_pick_up.is_none()
            }
            WorkerPhase::Ready | WorkerPhase::Terminating => false,
        }
    }
}

/// Unacknowledged tasks that the map does not attribute to our workers might be on any of them: one
/// that did not name its connection, say.
fn complete(map: &CountedByWorker, unacked: Option<Counted>, workers: &[Worker]) -> bool {
    let all: u64 = map.counts.values().fold(0, |sum, count| sum.saturating_add(*count));
    let ours = workers
        .iter()
        .filter_map(|worker| map.counts.get(&worker.name))
        .fold(0_u64, |sum, count| sum.saturating_add(*count));
    ours == all && unacked.is_none_or(|unacked| unacked.count <= ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::tests::fixtures::{report, reporting, worker};

    fn load(worker: &Worker, last_pick_up: Option<f64>, now: f64) -> Load {
        Sources::new(None, &[], last_pick_up.map(Timestamp), Timestamp(0.0), true, Timestamp(now)).load(worker)
    }

    #[test]
    fn a_fresh_report_of_nothing_is_idle_and_an_old_one_is_not() {
        assert!(load(&reporting("a", 0, 100.0), None, 101.0).idle);
        assert!(!load(&reporting("a", 0, 100.0), None, 113.0).idle);
        assert_eq!(load(&reporting("a", 0, 100.0), None, 116.0).held, None);
    }

    #[test]
    fn a_report_older_than_the_last_pick_up_shows_nobody_idle() {
        assert!(!load(&reporting("a", 0, 100.0), Some(100.5), 101.0).idle);
        assert!(load(&reporting("a", 0, 101.0), Some(100.5), 101.0).idle);
    }

    #[test]
    fn what_nobody_shows_is_not_nothing() {
        assert_eq!(load(&worker("a"), None, 100.0), Load { held: None, idle: false });
    }

    #[test]
    fn a_pod_without_containers_holds_nothing_unless_it_says_so() {
        let pending = Worker { phase: WorkerPhase::Pending, first_ready: None, ..worker("a") };
        assert!(load(&pending, None, 100.0).idle);
        // A pod is Pending while one of its containers still pulls; another may work already.
        let working = Worker { report: Some(report(1, 100.0)), ..pending };
        assert_eq!(load(&working, None, 100.0), Load { held: Some(1), idle: false });
    }

    #[test]
    fn a_pod_whose_endpoint_never_answered_may_have_taken_what_left_the_queue() {
        let booting = Worker { phase: WorkerPhase::NotReady, first_ready: None, ..worker("a") };
        assert!(load(&booting, None, 100.0).idle);
        assert!(!load(&booting, Some(95.0), 100.0).idle);
    }
}
