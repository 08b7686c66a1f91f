//! What one partition has waiting. Pure.

use super::OffsetReset;

/// One look at a partition of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The first offset that is kept.
    pub start: i64,
    /// The next offset; with `ReadCommitted` the last stable one.
    pub end: i64,
    /// `None` = the group has none.
    pub committed: Option<i64>,
}

/// Records between where the group goes on and the end: `end − max(committed, start)`, for what was
/// committed and is gone by retention is nobody's task any more.
///
/// Without a commit consumers begin by the reset policy, so `Latest` has nothing waiting and
/// `Earliest` all that is kept. The same goes for a commit *beyond the end* (the topic was made anew):
/// `beyond` says that this is proved, and not a look at the end that is older than the one at the
/// commit.
pub fn lag(look: Look, reset: OffsetReset, beyond: bool) -> u64 {
    let from = match (look.committed.filter(|committed| !beyond || *committed <= look.end), reset) {
        (Some(committed), _) => committed.max(look.start),
        (None, OffsetReset::Earliest) => look.start,
        (None, OffsetReset::Latest) => look.end,
    };
    u64::try_from(look.end.saturating_sub(from)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::OffsetReset::{Earliest, Latest};
    use super::*;

    #[test]
    fn lag_is_what_a_consumer_would_get() {
        for (what, start, end, committed, reset, beyond, expected) in [
            ("nothing was ever committed", 3, 10, None, Earliest, false, 7),
            ("the same, and what is there is of no interest", 3, 10, None, Latest, false, 0),
            ("half done", 0, 10, Some(5), Latest, false, 5),
            ("done", 0, 10, Some(10), Earliest, false, 0),
            ("retention went past the commit", 8, 10, Some(5), Earliest, false, 2),
            ("all of it is gone by retention", 10, 10, Some(5), Earliest, false, 0),
            ("a commit newer than the look at the end", 0, 10, Some(12), Earliest, false, 0),
            ("the topic was made anew", 0, 10, Some(500), Earliest, true, 10),
            ("the same", 0, 10, Some(500), Latest, true, 0),
            ("nonsense", i64::MAX, i64::MIN, Some(i64::MAX), Earliest, false, 0),
        ] {
            assert_eq!(lag(Look { start, end, committed }, reset, beyond), expected, "{what}");
        }
    }
}
