//! How many message groups are active: the useful concurrency of a FIFO queue, found by trying.
//!
//! The broker does not tell it. Of each group one task is worked on at a time, so a queue of a thousand
//! tasks of one user keeps one slot busy. So slots are granted as far as they proved useful: a pool
//! starts with one worker's, and doubles while in flight rises with the slots. When slots stay empty
//! though tasks wait, there are no more groups than tasks in flight; after a while one worker more tries
//! whether that has changed.

use crate::scaling::time::Timestamp;

/// Share of the slots in use from which all count as useful: between two tasks a slot is empty for a
/// moment.
const USEFUL: f64 = 0.9;

/// Seconds for which slots must stay empty before they are too many: counts of SQS are a minute old at worst.
const SETTLE: f64 = 60.0;

/// Seconds after a vain try until the next, doubled each time.
const FIRST_PAUSE: f64 = 60.0;
const LONGEST_PAUSE: f64 = 600.0;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Groups {
    /// Slots that may be; `None` before the first task.
    allowed: Option<f64>,
    /// Since when all of them were there while tasks waited, and the most in flight since.
    filled: Option<Timestamp>,
    most: f64,
    /// What was allowed after slots had stayed empty; `None` while every try was a success.
    vain: Option<f64>,
    /// Seconds between tries.
    pause: f64,
    /// No try before.
    again: Timestamp,
}

/// What is seen of a FIFO queue and its workers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// B
    pub waiting: f64,
    /// As the broker counted it; `None` = not known, which teaches nothing.
    pub in_flight: Option<f64>,
    /// Slots of workers that are ready.
    pub slots: f64,
    /// Slots of all workers that are there or asked for.
    pub present: f64,
    /// P
    pub prefetch: f64,
}

impl Groups {
    /// Slots that may be, after what is seen now.
    pub fn learn(&mut self, seen: Seen, now: Timestamp) -> f64 {
        let one = seen.prefetch.max(1.0);
        // A size found at a start is not taken back before anything was seen.
        let allowed = self.allowed.unwrap_or(seen.present).max(one);
        let Some(in_flight) = seen.in_flight else { return allowed };
        if seen.waiting <= 0.0 && in_flight <= 0.0 {
            // The next tasks may be of other groups.
            *self = Self::default();
            return seen.present.max(one);
        }
        self.allowed = Some(allowed);
        if seen.slots < allowed || seen.waiting <= 0.0 {
            self.filled = None;
            return allowed;
        }
        let since = *self.filled.get_or_insert_with(|| {
            self.most = 0.0;
            now
        });
        self.most = self.most.max(in_flight);
        let settled = now.since(since) >= SETTLE;
        if self.most >= USEFUL * allowed {
            match self.vain {
                // A vain try is repeated by one worker at a time; one that pays, by doubling again.
                Some(before) if allowed <= before && now < self.again => {}
                Some(before) if allowed <= before => self.allow(allowed + one),
                _ => {
                    self.vain = None;
                    self.pause = 0.0;
                    self.allow(allowed * 2.0);
                }
            }
        } else if settled {
            let useful = ((self.most / one).ceil() * one).max(one);
            self.allow(useful);
            self.vain = Some(useful);
            self.pause = (self.pause * 2.0).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            self.again = now.plus(self.pause);
        }
        if settled {
            self.filled = None;
        }
        self.allowed.unwrap_or(one)
    }

    fn allow(&mut self, slots: f64) {
        self.allowed = Some(slots);
        self.filled = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pool that follows at once, on a queue of many tasks in `groups`: the slots it had, second by second.
    fn slots(groups: f64, prefetch: f64, wanted: f64, seconds: u32) -> Vec<f64> {
        let mut estimate = Groups::default();
        let mut slots: f64 = 0.0;
        (0..seconds)
            .map(|second| {
                let seen =
                    Seen { waiting: 10_000.0, in_flight: Some(slots.min(groups)), slots, present: slots, prefetch };
                slots = estimate.learn(seen, Timestamp(f64::from(second))).min(wanted);
                slots
            })
            .collect()
    }

    #[test]
    fn three_groups_get_three_slots_beyond_the_probe_however_many_tasks_wait() {
        let had = slots(3.0, 1.0, 1000.0, 3600);
        assert!(had.iter().all(|slots| *slots <= 4.0), "{had:?}");
        // Nearly all the time, three; each try costs one slot for a minute.
        let more = had.iter().filter(|slots| **slots > 3.0).count();
        assert!(more < 600, "{more} s of 3600 with a slot too many");
        assert!(slots(3.0, 4.0, 1000.0, 3600).iter().all(|slots| *slots <= 8.0));
    }

    #[test]
    fn five_hundred_groups_are_no_cap() {
        let had = slots(500.0, 4.0, 240.0, 30);
        assert_eq!(had.last(), Some(&240.0), "all that is wanted, in a few steps: {had:?}");
    }

    #[test]
    fn one_worker_begins_and_an_empty_queue_begins_anew() {
        let mut estimate = Groups::default();
        let seen = |waiting, in_flight, slots| Seen {
            waiting,
            in_flight: Some(in_flight),
            slots,
            present: slots,
            prefetch: 4.0,
        };
        assert_eq!(estimate.learn(seen(100.0, 0.0, 0.0), Timestamp(0.0)), 4.0);
        assert_eq!(estimate.learn(seen(96.0, 4.0, 4.0), Timestamp(9.0)), 8.0);
        assert_eq!(estimate.learn(seen(0.0, 0.0, 8.0), Timestamp(20.0)), 8.0, "what is there may stay");
        assert_eq!(estimate.learn(seen(50.0, 0.0, 0.0), Timestamp(90.0)), 4.0);
    }

    #[test]
    fn groups_that_come_are_found_and_then_followed_by_doubling() {
        let mut estimate = Groups::default();
        let (mut groups, mut slots) = (2.0, 0.0_f64);
        for second in 0..1200 {
            if second == 600 {
                groups = 64.0;
            }
            let seen =
                Seen { waiting: 500.0, in_flight: Some(slots.min(groups)), slots, present: slots, prefetch: 1.0 };
            slots = estimate.learn(seen, Timestamp(f64::from(second)));
            assert!(second >= 600 || slots <= 4.0);
        }
        assert!(slots >= 64.0, "{slots}");
    }

    #[test]
    fn groups_that_go_are_noticed() {
        let mut estimate = Groups::default();
        let (mut groups, mut slots) = (32.0, 0.0_f64);
        for second in 0..1200 {
            if second == 300 {
                groups = 2.0;
            }
            let seen =
                Seen { waiting: 500.0, in_flight: Some(slots.min(groups)), slots, present: slots, prefetch: 1.0 };
            slots = estimate.learn(seen, Timestamp(f64::from(second)));
        }
        assert!(slots <= 3.0, "{slots}");
    }

    #[test]
    fn a_count_that_is_not_known_teaches_nothing() {
        let mut estimate = Groups::default();
        let seen = Seen { waiting: 100.0, in_flight: None, slots: 4.0, present: 4.0, prefetch: 4.0 };
        for second in 0..600 {
            assert_eq!(estimate.learn(seen, Timestamp(f64::from(second))), 4.0);
        }
    }
}
