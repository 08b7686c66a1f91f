//! How full the dead-letter topics of a cluster's pools are: the records they keep, whether anybody has read them or
//! not, for nobody has to. They are looked at once a minute, by the requests of a round that are made anyway.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::belief::Place;
use super::errors;
use super::round::{Offsets, Reader};
use crate::kafka::Code;
use crate::kafka::message::{EARLIEST, Isolation, LATEST};
use crate::scaling::observation::{Counted, ErrorClass, Unknown};
use crate::scaling::time::Timestamp;

/// Seconds between two looks at a dead-letter topic.
const PERIOD: f64 = 60.0;

/// Seconds after which a depth is no longer shown: two looks that failed.
const EXPIRES: f64 = 2.5 * PERIOD;

/// As most pools read, so that it takes no requests of its own. Dead letters are in no transaction, so it is all of them.
pub const ISOLATION: Isolation = Isolation::ReadCommitted;

/// What a look at each topic found, by its name.
pub type Found = BTreeMap<String, Result<u64, Unknown>>;

/// What is known of each. Pure.
#[derive(Clone, Debug, Default)]
pub struct Depths(HashMap<String, Depth>);

#[derive(Clone, Debug)]
struct Depth {
    looked: Timestamp,
    counted: Option<Counted>,
    failure: Option<Unknown>,
}

impl Depths {
    /// Those of `topics` that are to be looked at now; what is known of others is forgotten.
    pub fn due(&mut self, topics: &BTreeSet<String>, now: Timestamp) -> BTreeSet<String> {
        self.0.retain(|topic, _| topics.contains(topic));
        let is_due = |topic: &&String| self.0.get(*topic).is_none_or(|depth| now.since(depth.looked) >= PERIOD);
        topics.iter().filter(is_due).cloned().collect()
    }

    /// A failure that passes by itself leaves the old number until it expires.
    pub fn looked(&mut self, found: Found, now: Timestamp) {
        for (topic, found) in found {
            let before = self.0.remove(&topic).and_then(|depth| depth.counted);
            let depth = match found {
                Ok(count) => Depth { looked: now, counted: Some(Counted { count, at: now }), failure: None },
                Err(why) => {
                    let counted = before.filter(|_| why.class != ErrorClass::Misconfigured);
                    Depth { looked: now, counted, failure: Some(why) }
                }
            };
            self.0.insert(topic, depth);
        }
    }

    pub fn of(&self, topic: &str, now: Timestamp) -> Option<u64> {
        let counted = self.0.get(topic)?.counted.filter(|counted| now.since(counted.at) <= EXPIRES)?;
        Some(counted.count)
    }

    pub fn failure(&self, topic: &str) -> Option<&Unknown> {
        self.0.get(topic)?.failure.as_ref()
    }
}

impl Reader {
    /// What the leaders' answers say of these topics; one of which a partition is missing is unknown.
    pub(super) fn depths(&self, topics: &BTreeSet<String>, offsets: &Offsets, at: Timestamp) -> Found {
        topics.iter().map(|topic| (topic.clone(), self.depth(topic, offsets, at))).collect()
    }

    fn depth(&self, name: &str, offsets: &Offsets, at: Timestamp) -> Result<u64, Unknown> {
        self.atlas.topic(name).map_err(|code| errors::topic(code, name, self.identity()))?;
        let mut depth = 0_u64;
        for (partition, leader) in self.atlas.leaders(name) {
            let place: Place = (name.to_owned(), partition);
            let offset = |time: i64| match offsets.get(&(ISOLATION, time, place.clone())) {
                Some(Ok(Some(offset))) => Ok(*offset),
                Some(Err(code)) => Err(errors::topic(*code, name, self.identity())),
                None if leader < 0 => Err(errors::topic(Code::LEADER_NOT_AVAILABLE, name, self.identity())),
                Some(Ok(None)) | None => Err(errors::incomplete(name, partition)),
            };
            let end = offset(LATEST)?;
            let start = self.atlas.start(&place, at).map_or_else(|| offset(EARLIEST), Ok)?;
            depth = depth.saturating_add(u64::try_from(end.saturating_sub(start)).unwrap_or(0));
        }
        Ok(depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::brokers::kafka::errors::{incomplete, invalid};

    const NOW: Timestamp = Timestamp(100.0);

    fn topics(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn looked(depths: &mut Depths, found: Result<u64, Unknown>, now: Timestamp) {
        depths.looked(Found::from([("failed".to_owned(), found)]), now);
    }

    #[test]
    fn a_topic_is_looked_at_once_a_minute_whatever_comes_of_it() {
        let mut depths = Depths::default();
        let all = topics(&["failed"]);
        assert_eq!(depths.due(&all, NOW), all);
        looked(&mut depths, Err(incomplete("failed", 0)), NOW);
        assert_eq!(depths.due(&all, NOW.plus(59.0)), topics(&[]));
        assert_eq!(depths.due(&all, NOW.plus(60.0)), all);
    }

    #[test]
    fn a_number_outlives_what_passes_by_itself_and_nothing_else() {
        let mut depths = Depths::default();
        looked(&mut depths, Ok(7), NOW);
        assert_eq!(depths.of("failed", NOW.plus(60.0)), Some(7));
        looked(&mut depths, Err(incomplete("failed", 0)), NOW.plus(60.0));
        assert_eq!(depths.of("failed", NOW.plus(150.0)), Some(7));
        assert_eq!(depths.of("failed", NOW.plus(151.0)), None, "it is too old");
        assert_eq!(depths.failure("failed").map(|why| why.reason), Some("PartitionMissing"));
        looked(&mut depths, Ok(8), NOW.plus(120.0));
        assert_eq!((depths.of("failed", NOW.plus(120.0)), depths.failure("failed")), (Some(8), None));
        looked(&mut depths, Err(invalid("it is gone")), NOW.plus(180.0));
        assert_eq!(depths.of("failed", NOW.plus(180.0)), None, "a topic that is not there has no depth, not even 0");
    }

    #[test]
    fn what_no_pool_names_any_more_is_forgotten() {
        let mut depths = Depths::default();
        looked(&mut depths, Ok(7), NOW);
        depths.due(&topics(&["other"]), NOW);
        assert_eq!(depths.of("failed", NOW), None);
    }
}
