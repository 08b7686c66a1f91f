//! How many tasks are being worked on, from sources of different age.

use std::collections::VecDeque;

use super::load::FRESH;
use super::observation::{Counted, Worker, WorkerPhase};
use super::time::Timestamp;

/// Falls of ready remembered apart; above it the two oldest count as one, as young as the younger.
const MAX_PICK_UPS: usize = 64;

/// What left the queue lately, and the broker's last count.
///
/// A task just picked up is never invisible: when ready falls by k, the count rises by k until a
/// newer source speaks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InFlight {
    pick_ups: VecDeque<Counted>,
    unacked: Option<Counted>,
    /// The count after the last reading, and what left the queue since.
    settled: Option<u64>,
    /// When all workers last said that they hold nothing, and nothing had left the queue since.
    idle_at: Option<Timestamp>,
}

/// N, and whether it was counted; else workers that say nothing are taken for full in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    pub count: u64,
    pub counted: bool,
}

impl InFlight {
    /// After a restart: what status said, until a source speaks.
    pub fn restored(in_flight: Option<u64>, now: Timestamp) -> Self {
        Self { unacked: in_flight.map(|count| Counted { count, at: now }), ..Self::default() }
    }

    /// Ready fell by `count`, seen at `at`.
    pub fn picked_up(&mut self, count: u64, at: Timestamp) {
        if count == 0 {
            return;
        }
        self.settled = self.settled.map(|settled| settled.saturating_add(count));
        self.pick_ups.push_back(Counted { count, at });
        if self.pick_ups.len() > MAX_PICK_UPS
            && let Some(oldest) = self.pick_ups.pop_front()
            && let Some(next) = self.pick_ups.front_mut()
        {
            next.count = next.count.saturating_add(oldest.count);
        }
    }

    /// The broker counted; `fresh` is how old its counts may be, seconds.
    pub fn counted(&mut self, unacked: Counted, fresh: f64, now: Timestamp) {
        let fresh = now.since(unacked.at) <= fresh;
        if fresh && self.unacked.is_none_or(|last| unacked.at >= last.at) {
            self.unacked = Some(unacked);
        }
    }

    /// The workers spoke.
    pub fn heard(&mut self, workers: &[Worker]) {
        let mut oldest: Option<Timestamp> = None;
        for worker in workers {
            let Some(report) = worker.report.as_ref().filter(|report| report.in_flight == 0) else { return };
            oldest = Some(oldest.map_or(report.at, |at| if report.at < at { report.at } else { at }));
        }
        if let Some(at) = oldest.filter(|at| self.last_pick_up().is_none_or(|pick_up| pick_up < *at)) {
            self.idle_at = self.idle_at.filter(|idle| *idle > at).or(Some(at));
        }
    }

    /// The broker's last count, unless it is from before workers that are gone since held nothing: it would wake the
    /// pool for tasks that are done.
    fn unacked(&self, workers: &[Worker]) -> Option<Counted> {
        let gone = workers.iter().all(|worker| worker.phase == WorkerPhase::Terminating);
        self.unacked.filter(|unacked| !gone || self.idle_at.is_none_or(|idle| unacked.at > idle))
    }

    /// The count as of the last reading.
    pub fn settle(&mut self, total: Option<u64>) {
        self.settled = total;
    }

    /// Every source that still counts is newer than what is forgotten here.
    pub fn forget(&mut self, fresh: f64, now: Timestamp) {
        while self.pick_ups.front().is_some_and(|pick_up| now.since(pick_up.at) > FRESH) {
            self.pick_ups.pop_front();
        }
        self.unacked = self.unacked.filter(|unacked| now.since(unacked.at) <= fresh);
    }

    pub fn last_pick_up(&self) -> Option<Timestamp> {
        self.pick_ups.back().map(|pick_up| pick_up.at)
    }

    /// N, the whole queue's: the larger of what workers say and what the broker says, each raised
    /// by what left the queue after it spoke, as far as workers have room for it.
    ///
    /// A source that is dated to the safe side (a quorum queue's counts may be 5 s old) has often
    /// counted those already: the raised number is never more than the last one and what left since.
    ///
    /// `None` = no source tells. Where only workers tell, one that ran for long and says nothing is
    /// taken for full: unknown is not zero. `since` is when we began to listen.
    pub fn total(&self, workers: &[Worker], reports: bool, since: Timestamp, now: Timestamp) -> Option<Total> {
        let mut reported: u64 = 0;
        let mut room_behind: u64 = 0;
        let mut silent: u64 = 0;
        let mut slots: u64 = 0;
        let mut oldest = now;
        let newest_pick_up = self.last_pick_up();
        for worker in workers {
            slots += u64::from(worker.slots);
            if worker.phase <= WorkerPhase::Pending && worker.report.is_none() {
                continue;
            }
            match worker.report.as_ref().filter(|report| now.since(report.at) <= FRESH) {
                Some(report) => {
                    reported += u64::from(report.in_flight);
                    if newest_pick_up.is_some_and(|pick_up| report.at < pick_up) {
                        room_behind += u64::from(worker.slots.saturating_sub(report.in_flight));
                    }
                    oldest = if report.at < oldest { report.at } else { oldest };
                }
                // Its endpoint never answered: it takes no task yet, or the fall of ready shows it.
                None if worker.first_ready.is_none() => {}
                None => {
                    let ready_since = worker.first_ready.unwrap_or(worker.created);
                    let listened = now.since(if ready_since > since { ready_since } else { since });
                    if listened > FRESH {
                        silent += u64::from(worker.slots);
                    } else {
                        room_behind += u64::from(worker.slots);
                        oldest = now.plus(-FRESH);
                    }
                }
            }
        }
        let by_workers = self.raised(reported, oldest, room_behind);
        let by_broker = self
            .unacked(workers)
            .map(|unacked| self.raised(unacked.count, unacked.at, slots.saturating_sub(unacked.count)));
        match by_broker {
            Some(by_broker) => Some(Total { count: by_broker.max(by_workers), counted: true }),
            None => reports.then_some(Total { count: by_workers + silent, counted: silent == 0 }),
        }
    }

    /// A count of `at`, raised by what left the queue after it.
    fn raised(&self, count: u64, at: Timestamp, room: u64) -> u64 {
        let raised = count.saturating_add(self.after(at).min(room));
        raised.min(self.settled.unwrap_or(u64::MAX)).max(count)
    }

    /// What left the queue after `at`.
    fn after(&self, at: Timestamp) -> u64 {
        self.pick_ups
            .iter()
            .rev()
            .take_while(|pick_up| pick_up.at > at)
            .fold(0, |sum, pick_up| sum.saturating_add(pick_up.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::tests::fixtures::{reporting, worker};

    const START: Timestamp = Timestamp(0.0);

    /// N at `now`, with reports.
    fn total(in_flight: &InFlight, workers: &[Worker], now: f64) -> Option<u64> {
        in_flight.total(workers, true, START, Timestamp(now)).map(|total| total.count)
    }

    #[test]
    fn the_larger_source_is_believed() {
        let mut in_flight = InFlight::default();
        in_flight.counted(Counted { count: 5, at: Timestamp(99.0) }, FRESH, Timestamp(100.0));
        assert_eq!(total(&in_flight, &[reporting("a", 3, 100.0)], 100.0), Some(5));
        assert_eq!(total(&in_flight, &[reporting("a", 4, 100.0), reporting("b", 4, 100.0)], 100.0), Some(8));
    }

    #[test]
    fn what_left_the_queue_is_in_flight_until_a_newer_source_speaks() {
        let mut in_flight = InFlight::default();
        let at = |at| Counted { count: 1, at: Timestamp(at) };
        in_flight.counted(at(98.0), FRESH, Timestamp(100.0));
        in_flight.picked_up(2, Timestamp(100.0));
        let silent = [worker("a")];
        assert_eq!(total(&in_flight, &silent, 100.0), Some(3));
        in_flight.counted(at(101.0), FRESH, Timestamp(101.0));
        assert_eq!(total(&in_flight, &silent, 101.0), Some(1));
    }

    #[test]
    fn reports_older_than_the_pick_up_are_raised_as_far_as_there_is_room() {
        let mut in_flight = InFlight::default();
        in_flight.picked_up(5, Timestamp(100.0));
        let workers = [reporting("a", 3, 99.0), reporting("b", 2, 101.0)];
        assert_eq!(total(&in_flight, &workers, 101.0), Some(6), "a has room for one, b has spoken since");
    }

    #[test]
    fn a_count_dated_to_the_safe_side_is_not_raised_twice() {
        let mut in_flight = InFlight::default();
        let workers: Vec<Worker> = (0..25).map(|i| worker(&i.to_string())).collect();
        in_flight.settle(Some(0));
        in_flight.picked_up(16, Timestamp(100.0));
        // The broker counted the sixteen, but says that its count may be five seconds old.
        in_flight.counted(Counted { count: 16, at: Timestamp(96.0) }, FRESH, Timestamp(101.0));
        assert_eq!(total(&in_flight, &workers, 101.0), Some(16));
    }

    #[test]
    fn a_worker_silent_for_long_is_taken_for_full_and_one_that_just_started_is_not() {
        let in_flight = InFlight::default();
        let young = Worker { first_ready: Some(Timestamp(95.0)), ..worker("young") };
        let workers = [reporting("a", 1, 100.0), worker("silent"), young];
        let total = in_flight.total(&workers, true, START, Timestamp(100.0));
        assert_eq!(total, Some(Total { count: 5, counted: false }));
        // Right after a restart nobody can have spoken yet.
        assert_eq!(in_flight.total(&workers, true, Timestamp(99.0), Timestamp(100.0)).map(|t| t.count), Some(1));
    }

    #[test]
    fn a_count_from_before_the_last_workers_were_idle_wakes_nobody_after_they_are_gone() {
        let mut in_flight = InFlight::default();
        in_flight.heard(&[reporting("a", 0, 100.0), reporting("b", 0, 101.0)]);
        // A management list after a gap: dated to the safe side, and as old as that.
        in_flight.counted(Counted { count: 2, at: Timestamp(97.0) }, FRESH, Timestamp(102.0));
        assert_eq!(total(&in_flight, &[], 102.0), Some(0));
        assert_eq!(total(&in_flight, &[reporting("a", 0, 100.0)], 102.0), Some(2), "a worker that is there may lie");
        in_flight.counted(Counted { count: 2, at: Timestamp(103.0) }, FRESH, Timestamp(108.0));
        assert_eq!(total(&in_flight, &[], 108.0), Some(2), "somebody else's tasks");
    }

    #[test]
    fn without_any_source_it_is_unknown() {
        assert_eq!(InFlight::default().total(&[worker("a")], false, START, Timestamp(100.0)), None);
    }

    #[test]
    fn old_counts_are_no_source() {
        let mut in_flight = InFlight::default();
        in_flight.counted(Counted { count: 4, at: Timestamp(100.0) }, FRESH, Timestamp(100.0));
        in_flight.forget(FRESH, Timestamp(116.0));
        assert_eq!(in_flight.total(&[worker("a")], false, START, Timestamp(116.0)), None);
    }
}
