//! Where a group goes on that has no members. Pure.
//!
//! A pool at zero has no consumer that keeps its place. Kafka forgets commits of a group that was left
//! (`offsets.retention.minutes`), and a consumer that finds none begins by the reset policy: with
//! `Latest` it skips what came in the meantime, with `Earliest` it does everything again. So the
//! operator commits for groups without members, and only for those; a coordinator refuses it for
//! others, so a worker that joins in the same moment is never overruled.

use std::collections::BTreeMap;

use super::belief::{Looks, Place};
use super::{OffsetReset, Wanted};

/// Seconds after which the same offsets are committed again: an hour is far below any retention that
/// makes sense (a week by default), and costs nothing.
pub const AGAIN: f64 = 3600.0;

/// What is to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nothing now.
    Nothing,
    /// These offsets.
    At(BTreeMap<Place, i64>),
    /// These, which were committed a moment ago and are gone.
    Again(BTreeMap<Place, i64>),
    /// Those for the time that the pool names, which the leaders know.
    From(i64),
    /// The pool names a time, but the group has begun.
    Refused,
}

/// What has been done for a group so far, by this operator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// Where partitions ended when they were first seen, or last while there were workers.
    pub ends: BTreeMap<Place, i64>,
    /// All partitions have been seen once: what appears later was added.
    pub begun: bool,
}

/// `new_pool`: no worker of the pool ever started. `again`: the time to commit again has come.
pub fn start(wanted: &Wanted, looks: &Looks, kept: &Kept, new_pool: bool, again: bool) -> Start {
    let committed = looks.partitions.values().any(|look| look.committed.is_some());
    if let Some(time) = wanted.start_from.filter(|_| new_pool) {
        return if committed { Start::Refused } else { Start::From(time) };
    }
    let mut offsets = BTreeMap::new();
    let mut missing = false;
    for (place, look) in &looks.partitions {
        let offset = match (look.committed, wanted.reset) {
            (Some(committed), _) => committed,
            (None, OffsetReset::Earliest) => continue,
            (None, OffsetReset::Latest) => {
                missing = true;
                let added = kept.begun && !kept.ends.contains_key(place);
                if added { look.start } else { kept.ends.get(place).copied().unwrap_or(look.end).max(look.start) }
            }
        };
        offsets.insert(place.clone(), offset);
    }
    if offsets.is_empty() || !(missing || again) { Start::Nothing } else { Start::At(offsets) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::brokers::kafka::lag::Look;
    use crate::kafka::message::Isolation;

    fn place(partition: i32) -> Place {
        ("tasks".to_owned(), partition)
    }

    fn wanted(reset: OffsetReset, start_from: Option<i64>) -> Wanted {
        Wanted {
            group: "agents".into(),
            topics: vec!["tasks".into()],
            reset,
            isolation: Isolation::ReadCommitted,
            start_from,
            keeps_position: true,
        }
    }

    /// Partitions that keep 2 to 10, with these commits.
    fn looks(committed: &[Option<i64>]) -> Looks {
        let look = |committed: &Option<i64>| Look { start: 2, end: 10, committed: *committed };
        Looks { partitions: (0..).map(place).zip(committed.iter().map(look)).collect(), ..Looks::default() }
    }

    fn at(offsets: &[i64]) -> Start {
        Start::At((0..).map(place).zip(offsets.iter().copied()).collect())
    }

    #[test]
    fn a_new_group_that_wants_only_what_comes_begins_at_the_end() {
        let latest = wanted(OffsetReset::Latest, None);
        assert_eq!(start(&latest, &looks(&[None, None]), &Kept::default(), true, false), at(&[10, 10]));
    }

    #[test]
    fn a_new_group_that_wants_everything_needs_no_commit() {
        let earliest = wanted(OffsetReset::Earliest, None);
        assert_eq!(start(&earliest, &looks(&[None, None]), &Kept::default(), true, true), Start::Nothing);
    }

    #[test]
    fn a_partition_added_later_begins_at_its_start() {
        let latest = wanted(OffsetReset::Latest, None);
        let kept = Kept { ends: BTreeMap::from([(place(0), 7)]), begun: true };
        assert_eq!(start(&latest, &looks(&[Some(5), None]), &kept, false, false), at(&[5, 2]));
    }

    #[test]
    fn a_partition_of_which_workers_committed_nothing_goes_on_where_it_ended_while_they_were_there() {
        let latest = wanted(OffsetReset::Latest, None);
        let kept = Kept { ends: BTreeMap::from([(place(0), 7), (place(1), 8)]), begun: true };
        assert_eq!(start(&latest, &looks(&[Some(7), None]), &kept, false, false), at(&[7, 8]));
    }

    #[test]
    fn what_was_committed_is_committed_again_when_its_time_comes() {
        for reset in [OffsetReset::Earliest, OffsetReset::Latest] {
            let wanted = wanted(reset, None);
            let looks = looks(&[Some(5), Some(10)]);
            assert_eq!(start(&wanted, &looks, &Kept::default(), false, false), Start::Nothing);
            assert_eq!(start(&wanted, &looks, &Kept::default(), false, true), at(&[5, 10]));
        }
    }

    #[test]
    fn a_time_to_start_from_is_for_groups_that_have_not_begun() {
        let replay = wanted(OffsetReset::Earliest, Some(1_700_000_000_000));
        assert_eq!(
            start(&replay, &looks(&[None, None]), &Kept::default(), true, false),
            Start::From(1_700_000_000_000)
        );
        assert_eq!(start(&replay, &looks(&[Some(3), None]), &Kept::default(), true, false), Start::Refused);
        assert_eq!(
            start(&replay, &looks(&[Some(3), None]), &Kept::default(), false, false),
            Start::Nothing,
            "the pool's workers have run: it was done"
        );
    }
}
