//! How far one partition is: offsets only, no records.

use std::collections::BTreeSet;

use super::metadata::Ranges;

/// Offsets that are not there (compacted, control records of transactions) count as done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Arrived and not done.
    open: BTreeSet<i64>,
    /// One past the last that arrived.
    next: i64,
    /// Done by an earlier owner: ascending, apart; what is below `next` is of no account any more.
    inherited: Ranges,
}

/// What an offset that arrives is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// To be done.
    New,
    /// Done by an earlier owner.
    DoneBefore,
    /// Fetched a second time, as after a pause.
    Again,
    /// Below everything that is known: the topic was made anew, or its log was cut. What was known
    /// is of another log.
    Restart,
}

impl Progress {
    pub fn new(position: i64, inherited: Ranges) -> Self {
        Self { open: BTreeSet::new(), next: position, inherited }
    }

    pub fn arrive(&mut self, offset: i64) -> Arrival {
        if offset >= self.next {
            self.next = offset.saturating_add(1);
            if self.inherits(offset) {
                return Arrival::DoneBefore;
            }
            self.open.insert(offset);
            return Arrival::New;
        }
        if offset >= self.floor() || self.inherits(offset) {
            return Arrival::Again;
        }
        *self = Self { open: BTreeSet::from([offset]), next: offset.saturating_add(1), inherited: Ranges::new() };
        Arrival::Restart
    }

    pub fn done(&mut self, offset: i64) {
        self.open.remove(&offset);
    }

    /// The offset to commit: everything below is done.
    pub fn position(&self) -> i64 {
        let floor = self.floor();
        let inherited = self.inherited.iter().find(|&&(from, to)| from <= floor && floor < to);
        inherited.filter(|_| self.open.is_empty()).map_or(floor, |&(_, to)| to)
    }

    /// Done offsets above the position.
    pub fn done_above(&self) -> Ranges {
        let mut done = Ranges::new();
        let mut add = |from: i64, to: i64| match done.last_mut() {
            _ if from >= to => {}
            Some((_, end)) if *end >= from => *end = to.max(*end),
            _ => done.push((from, to)),
        };
        let mut open = self.open.iter().peekable();
        while let Some(&offset) = open.next() {
            add(offset + 1, open.peek().map_or(self.next, |&&next| next));
        }
        let seen = self.position().max(self.next);
        for &(from, to) in &self.inherited {
            add(from.max(seen), to);
        }
        done
    }

    fn floor(&self) -> i64 {
        self.open.first().copied().unwrap_or(self.next)
    }

    fn inherits(&self, offset: i64) -> bool {
        let after = self.inherited.partition_point(|&(from, _)| from <= offset);
        after.checked_sub(1).is_some_and(|at| offset < self.inherited[at].1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::metadata::{LIMIT, decode, encode};
    use super::*;

    fn arrived(offsets: impl IntoIterator<Item = i64>) -> Progress {
        let mut progress = Progress::new(0, Ranges::new());
        for offset in offsets {
            assert_eq!(progress.arrive(offset), Arrival::New);
        }
        progress
    }

    #[test]
    fn the_position_waits_for_the_slowest() {
        let mut progress = arrived(0..4);
        progress.done(1);
        progress.done(3);
        assert_eq!((progress.position(), progress.done_above()), (0, vec![(1, 2), (3, 4)]));
        progress.done(0);
        assert_eq!((progress.position(), progress.done_above()), (2, vec![(3, 4)]));
        progress.done(2);
        assert_eq!((progress.position(), progress.done_above()), (4, vec![]));
    }

    #[test]
    fn offsets_that_are_not_there_do_not_hold_it_up() {
        let mut progress = arrived([2, 7]);
        assert_eq!(progress.position(), 2);
        progress.done(2);
        assert_eq!(progress.position(), 7);
        progress.done(7);
        assert_eq!(progress.position(), 8);
    }

    #[test]
    fn what_comes_twice_is_known() {
        let mut progress = arrived(0..3);
        progress.done(1);
        assert_eq!([0, 1, 2].map(|offset| progress.arrive(offset)), [Arrival::Again; 3]);
        assert_eq!(progress.position(), 0);
    }

    #[test]
    fn a_log_that_begins_again_is_another_log() {
        let mut progress = arrived(5..8);
        assert_eq!(progress.arrive(0), Arrival::Restart);
        progress.done(6);
        assert_eq!((progress.position(), progress.done_above()), (0, vec![]));
    }

    #[test]
    fn what_an_earlier_owner_did_is_skipped_and_passed_on() {
        use Arrival::{DoneBefore, New};

        let mut progress = Progress::new(10, vec![(11, 13), (14, 15)]);
        assert_eq!((progress.position(), progress.done_above()), (10, vec![(11, 13), (14, 15)]), "before any arrives");
        let arrivals = (10..15).map(|offset| progress.arrive(offset)).collect::<Vec<_>>();
        assert_eq!(arrivals, [New, DoneBefore, DoneBefore, New, DoneBefore]);
        progress.done(10);
        assert_eq!((progress.position(), progress.done_above()), (13, vec![(14, 15)]));
        assert_eq!(progress.arrive(12), Arrival::Again, "the position has passed it without its arrival");
    }

    proptest! {
        /// Tasks end in any order, the worker dies at any time, and another goes on: each offset is
        /// handed out until it is done, and never again.
        #[test]
        fn over_any_number_of_owners_each_offset_is_done_exactly_once(
            count in 1i64..60,
            lives in proptest::collection::vec((1usize..20, proptest::collection::vec(0usize..1000, 0..15)), 0..6),
        ) {
            let mut done = BTreeSet::new();
            let mut committed = (0i64, String::new());
            let last = (usize::MAX, vec![0; 1000]);
            for (slots, picks) in lives.into_iter().chain([last]) {
                let mut progress = Progress::new(committed.0, decode(&committed.1, committed.0));
                let mut fetch = committed.0..count;
                let mut running = Vec::new();
                for pick in picks {
                    while running.len() < slots {
                        let Some(offset) = fetch.next() else { break };
                        if progress.arrive(offset) == Arrival::New {
                            prop_assert!(!done.contains(&offset), "{} is handed out again", offset);
                            running.push(offset);
                        }
                    }
                    if running.is_empty() {
                        break;
                    }
                    let offset = running.swap_remove(pick % running.len());
                    progress.done(offset);
                    done.insert(offset);
                    let position = progress.position();
                    prop_assert!(position >= committed.0);
                    prop_assert!((0..position).all(|offset| done.contains(&offset)));
                    committed = (position, encode(position, &progress.done_above(), LIMIT).0);
                }
            }
            prop_assert_eq!(done.len(), usize::try_from(count).unwrap());
            prop_assert_eq!(committed, (count, String::new()));
        }
    }
}
