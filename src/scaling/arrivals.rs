//! When the queued tasks arrived, without any help from the broker.

use std::collections::VecDeque;

use super::time::Timestamp;

/// Entries kept at most. Binning by reading costs nothing in quality, and a list this long covers
/// an hour of arrivals at every reading of a poll every ten seconds; above it neighbours merge.
const MAX_ENTRIES: usize = 360;

/// A first-in first-out list of (time, count): the tasks that wait, oldest first.
///
/// Each reading adds what arrived since the last one at the back and takes what was picked up from
/// the front. Brokers with priorities break this order; the list then bounds the oldest task,
/// which is right for them too.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arrivals {
    entries: VecDeque<Arrival>,
    total: u64,
}

/// Tasks that arrived together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival {
    pub at: Timestamp,
    pub count: u64,
}

impl Arrivals {
    /// `ready` tasks spread over the recent past, as after a restart:
    /// `arr_j = now − min(now − since, (B − j + 1)/λ)`.
    ///
    /// A busy, steady pool thus looks as it did before the restart, and nothing is scaled. With
    /// λ = 0 all of them are as old as `since`.
    pub fn spread(ready: u64, since: Timestamp, per_second: f64, now: Timestamp) -> Self {
        let longest = now.since(since).max(0.0);
        let bins = ready.min(MAX_ENTRIES as u64 / 2);
        let mut spread = Self::default();
        let mut placed = 0;
        for bin in 1..=bins {
            // The last bin ends at `ready` exactly; u128 because counts may be absurd.
            let upto = (u128::from(ready) * u128::from(bin) / u128::from(bins)) as u64;
            // The oldest task of the bin speaks for it.
            let behind = (ready - placed) as f64;
            let age = if per_second > 0.0 { (behind / per_second).min(longest) } else { longest };
            spread.arrive(now.plus(-age), upto - placed);
            placed = upto;
        }
        spread
    }

    /// `count` tasks arrived, none of them before `at`.
    pub fn arrive(&mut self, at: Timestamp, count: u64) {
        if count == 0 {
            return;
        }
        self.total = self.total.saturating_add(count);
        match self.entries.back_mut() {
            // A clock that stands still or a reading out of order: older is earlier growth.
            Some(last) if at <= last.at => last.count = last.count.saturating_add(count),
            _ => self.entries.push_back(Arrival { at, count }),
        }
        if self.entries.len() > MAX_ENTRIES {
            self.halve();
        }
    }

    /// `count` tasks were picked up, or left the queue otherwise: the oldest go first.
    pub fn pick_up(&mut self, mut count: u64) {
        self.total = self.total.saturating_sub(count);
        while count > 0 {
            let Some(first) = self.entries.front_mut() else { return };
            if first.count > count {
                first.count -= count;
                return;
            }
            count -= first.count;
            self.entries.pop_front();
        }
    }

    /// Pairs of neighbours become one, as old as the older.
    fn halve(&mut self) {
        let mut merged: VecDeque<Arrival> = VecDeque::with_capacity(MAX_ENTRIES + 1);
        for (index, entry) in self.entries.iter().enumerate() {
            match merged.back_mut() {
                Some(last) if index % 2 == 1 => last.count = last.count.saturating_add(entry.count),
                _ => merged.push_back(*entry),
            }
        }
        self.entries = merged;
    }

    /// Tasks in the list.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The oldest task's arrival.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.entries.front().map(|entry| entry.at)
    }

    pub fn iter(&self) -> impl Iterator<Item = Arrival> + '_ {
        self.entries.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ages(arrivals: &Arrivals, now: f64) -> Vec<(f64, u64)> {
        arrivals.iter().map(|entry| (now - entry.at.0, entry.count)).collect()
    }

    #[test]
    fn the_oldest_are_picked_up_first() {
        let mut arrivals = Arrivals::default();
        arrivals.arrive(Timestamp(10.0), 3);
        arrivals.arrive(Timestamp(20.0), 2);
        arrivals.pick_up(4);
        assert_eq!(ages(&arrivals, 30.0), [(10.0, 1)]);
        assert_eq!(arrivals.total(), 1);
    }

    #[test]
    fn picking_up_more_than_there_is_leaves_an_empty_list() {
        let mut arrivals = Arrivals::default();
        arrivals.arrive(Timestamp(10.0), 3);
        arrivals.pick_up(9);
        assert_eq!((arrivals.total(), arrivals.oldest()), (0, None));
    }

    #[test]
    fn after_a_restart_tasks_are_spread_by_the_arrival_rate_but_not_before_since() {
        let spread = Arrivals::spread(4, Timestamp(97.0), 1.0, Timestamp(100.0));
        assert_eq!(ages(&spread, 100.0), [(3.0, 2), (2.0, 1), (1.0, 1)]);
    }

    #[test]
    fn after_a_restart_without_a_known_rate_all_are_as_old_as_since() {
        let spread = Arrivals::spread(5, Timestamp(60.0), 0.0, Timestamp(100.0));
        assert_eq!(ages(&spread, 100.0), [(40.0, 5)]);
    }

    #[test]
    fn a_huge_backlog_is_spread_over_few_entries_that_still_add_up() {
        let ready = 1_000_000_000_007;
        let spread = Arrivals::spread(ready, Timestamp(0.0), 1e6, Timestamp(1e9));
        assert_eq!(spread.total(), ready);
        assert_eq!(spread.iter().map(|entry| entry.count).sum::<u64>(), ready);
        assert!(spread.iter().count() <= MAX_ENTRIES);
    }

    #[test]
    fn a_long_list_merges_towards_older() {
        let mut arrivals = Arrivals::default();
        for second in 0..=MAX_ENTRIES {
            arrivals.arrive(Timestamp(second as f64), 1);
        }
        assert_eq!(arrivals.total(), MAX_ENTRIES as u64 + 1);
        let first: Vec<_> = arrivals.iter().take(2).collect();
        assert_eq!(first, [Arrival { at: Timestamp(0.0), count: 2 }, Arrival { at: Timestamp(2.0), count: 2 }]);
    }
}
