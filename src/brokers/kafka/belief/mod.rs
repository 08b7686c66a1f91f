//! What may be believed of one group: looks in, a reading out. Pure; time is an argument.
//!
//! * A partition that is missing in an answer makes the whole unknown: what it holds is not zero.
//! * A commit that was there and is gone makes it unknown too, unless the topic was made anew.
//! * What is left at the end of a partition that no consumer will ever be given (markers of
//!   transactions, what compaction removed) is no task: it is looked at once and left out.
//! * Which worker holds what is known only of a group at rest whose partitions all have commits.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use super::errors;
use super::lag::{Look, lag};
use super::{OffsetReset, Wanted};
use crate::kafka::message::{Group, TopicId};
use crate::scaling::observation::{CountedByWorker, ErrorClass, Partitions, QueueCounts, QueueReading, Unknown};
use crate::scaling::time::Timestamp;

/// Topic and partition.
pub type Place = (String, i32);

/// Text beside commits, where there is some.
pub type Notes = BTreeMap<Place, String>;

/// Seconds that the last good look outlives a failure that passes by itself; its age is seen all the
/// while. Coordinators and leaders move within a second or two.
const OUTAGE_GRACE: f64 = 10.0;

/// Seconds for which a partition's lag does not change before what is left is looked at. Workers that
/// are there take tasks and commit; where there are none, it is looked at before they are woken.
const SUSPICIOUS: f64 = 5.0;

/// Seconds after which it is no longer sure that a group stood where it was last seen.
const STOOD: f64 = 60.0;

/// One look at all partitions of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Looks {
    /// When it was begun.
    pub at: Timestamp,
    pub partitions: BTreeMap<Place, Look>,
    pub topics: BTreeMap<String, TopicId>,
    /// What workers wrote beside their commits.
    pub notes: Notes,
    /// Its members, where they were asked for and told.
    pub group: Option<Group>,
}

/// Everything seen of one group that still matters.
#[derive(Clone, Debug)]
pub struct Belief {
    wanted: Wanted,
    last: Option<Looks>,
    failure: Option<Unknown>,
    /// What was committed, as long as it was.
    had: Had,
    /// Commits that were beyond the end at the last look.
    beyond: HashMap<Place, i64>,
    /// Since when a partition stands as it does.
    standing: HashMap<Place, (Look, Timestamp)>,
    /// What was looked at: whether anybody would be given anything.
    examined: HashMap<Place, (Look, bool)>,
    by_worker: Option<CountedByWorker>,
    vanished: bool,
}

#[derive(Clone, Debug, Default)]
struct Had {
    at: Timestamp,
    offsets: HashMap<Place, i64>,
    notes: Notes,
}

/// Commits that were there and are gone.
#[derive(Clone, Debug, PartialEq)]
pub enum Lost {
    Nothing,
    /// The group stood there a moment ago.
    Known(BTreeMap<Place, i64>, Notes),
    /// It is not sure where it stood.
    Unknown,
}

impl Belief {
    pub fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            last: None,
            failure: None,
            had: Had::default(),
            beyond: HashMap::new(),
            standing: HashMap::new(),
            examined: HashMap::new(),
            by_worker: None,
            vanished: false,
        }
    }

    pub fn looked(&mut self, looks: Looks) {
        self.failure = None;
        self.forget_topics_made_anew(&looks);
        // Where the group goes on is not for us to say, unless it was put right before.
        let vanished = self.missing(&looks).next().is_some();
        self.vanished = vanished;
        if !self.vanished {
            let committed = |(place, look): (&Place, &Look)| Some((place.clone(), look.committed?));
            let offsets = looks.partitions.iter().filter_map(committed).collect();
            self.had = Had { at: looks.at, offsets, notes: looks.notes.clone() };
        }
        let standing = std::mem::take(&mut self.standing);
        let mut beyond = HashMap::new();
        for (place, look) in &looks.partitions {
            let since = standing.get(place).filter(|(before, _)| before == look).map_or(looks.at, |(_, since)| *since);
            self.standing.insert(place.clone(), (*look, since));
            if let Some(committed) = look.committed.filter(|committed| *committed > look.end) {
                beyond.insert(place.clone(), committed);
            }
        }
        // Twice in a row with the same commit: the look at the end is not the older one any more.
        let proved = |(place, committed): (Place, i64)| {
            let before = self.last.as_ref().and_then(|last| last.partitions.get(&place))?.committed;
            (before == Some(committed)).then_some((place, committed))
        };
        self.beyond = beyond.into_iter().filter_map(proved).collect();
        self.examined.retain(|place, (look, _)| looks.partitions.get(place) == Some(look));
        if let Some(by_worker) = self.count_by_worker(&looks) {
            self.by_worker = Some(by_worker);
        }
        self.last = Some(looks);
    }

    pub fn failed(&mut self, why: Unknown) {
        self.failure = Some(why);
    }

    pub fn failure(&self) -> Option<&Unknown> {
        self.failure.as_ref()
    }

    pub fn last(&self) -> Option<&Looks> {
        self.last.as_ref()
    }

    /// What was committed and is gone: Kafka forgets commits of the classic group protocol so long after the group was
    /// left, however often they are renewed in the meantime.
    pub fn lost(&self, looks: &Looks) -> Lost {
        let (mut offsets, mut sure) = (BTreeMap::new(), looks.at.since(self.had.at) <= STOOD);
        for (place, look) in self.missing(looks) {
            let Some(&offset) = self.had.offsets.get(place) else { continue };
            // Before brokers gave topics an id, one that was made anew looks the same.
            sure &= offset <= look.end && looks.topics.get(&place.0).is_some_and(|id| *id != TopicId::default());
            offsets.insert(place.clone(), offset);
        }
        if offsets.is_empty() {
            return Lost::Nothing;
        }
        let notes = self.had.notes.iter().filter(|(place, _)| offsets.contains_key(*place));
        let notes = notes.map(|(place, note)| (place.clone(), note.clone())).collect();
        if sure { Lost::Known(offsets, notes) } else { Lost::Unknown }
    }

    fn missing<'a>(&'a self, looks: &'a Looks) -> impl Iterator<Item = (&'a Place, &'a Look)> {
        looks.partitions.iter().filter(|(place, look)| {
            look.committed.is_none() && self.had.offsets.contains_key(*place) && !self.is_made_anew(&place.0, looks)
        })
    }

    /// Partitions to look into before `looks` are believed: something seems to wait, and either nobody
    /// is there who could take it, or nobody does.
    pub fn suspects(&self, looks: &Looks, workers: bool) -> Vec<(Place, Look)> {
        let suspicious = |(place, look): &(&Place, &Look)| {
            let stands = self
                .standing
                .get(*place)
                .is_some_and(|(before, since)| before == *look && looks.at.since(*since) >= SUSPICIOUS);
            let examined = self.examined.get(*place).is_some_and(|(before, _)| before == *look);
            look.committed.is_some() && self.raw_lag(place, **look) > 0 && !examined && (stands || !workers)
        };
        looks.partitions.iter().filter(suspicious).map(|(place, look)| (place.clone(), *look)).collect()
    }

    /// What such a look found: whether a consumer would be given a record.
    pub fn examined(&mut self, place: Place, look: Look, visible: bool) {
        self.examined.insert(place, (look, visible));
    }

    /// The reading as of `now`. `None` until a first look ended.
    pub fn reading(&self, now: Timestamp) -> Option<QueueReading> {
        if let Some(failure) = &self.failure {
            let passes = failure.class != ErrorClass::Misconfigured;
            let kept = self.last.as_ref().filter(|last| passes && !self.vanished && now.since(last.at) <= OUTAGE_GRACE);
            return Some(kept.map_or_else(|| QueueReading::Unknown(failure.clone()), |last| self.known(last)));
        }
        let last = self.last.as_ref()?;
        if self.vanished {
            return Some(QueueReading::Unknown(errors::expired(&self.wanted.group)));
        }
        Some(self.known(last))
    }

    /// What is compared to see whether anything changed: the reading without its times.
    pub fn outline(&self, now: Timestamp) -> Option<QueueReading> {
        let mut reading = self.reading(now);
        if let Some(QueueReading::Known(counts)) = &mut reading {
            counts.at = Timestamp::default();
            if let Some(by_worker) = &mut counts.unacked_by_worker {
                by_worker.at = Timestamp::default();
            }
        }
        reading
    }

    fn known(&self, last: &Looks) -> QueueReading {
        let lags = last.partitions.iter().map(|(place, look)| self.lag(place, *look));
        let (mut ready, mut lagging) = (0_u64, 0);
        for lag in lags {
            ready = ready.saturating_add(lag);
            lagging += u32::from(lag > 0);
        }
        QueueReading::Known(QueueCounts {
            ready,
            at: last.at,
            unacked_by_worker: self.by_worker.clone(),
            partitions: Some(Partitions { assignable: last.partitions.len() as u32, lagging }),
            ..QueueCounts::default()
        })
    }

    fn lag(&self, place: &Place, look: Look) -> u64 {
        match self.examined.get(place) {
            Some((_, false)) => 0,
            _ => self.raw_lag(place, look),
        }
    }

    fn raw_lag(&self, place: &Place, look: Look) -> u64 {
        lag(look, self.wanted.reset, self.beyond.contains_key(place))
    }

    /// By member: what is not committed of its partitions. `None` where it cannot be told: the group
    /// moves partitions, or a member began at the end of a partition and has committed nothing of it.
    fn count_by_worker(&self, looks: &Looks) -> Option<CountedByWorker> {
        let group = looks.group.as_ref()?;
        if !group.is_stable() && !group.is_empty() {
            return None;
        }
        let mut counts = BTreeMap::new();
        for member in &group.members {
            let count = counts.entry(member.client_id.clone()).or_insert(0_u64);
            for (topic, partition) in
                member.assigned.iter().flat_map(|(topic, all)| all.iter().map(move |it| (topic, *it)))
            {
                let place = (topic.clone(), partition);
                // Another topic of the group's is not this pool's, but it may be what keeps the worker busy.
                let look = *looks.partitions.get(&place)?;
                if look.committed.is_none() && self.wanted.reset == OffsetReset::Latest {
                    return None;
                }
                *count = count.saturating_add(self.lag(&place, look));
            }
        }
        Some(CountedByWorker { counts, at: looks.at })
    }

    /// A topic of another id has nothing to do with what was committed for the old one.
    fn forget_topics_made_anew(&mut self, looks: &Looks) {
        let anew: Vec<String> = looks.topics.keys().filter(|topic| self.is_made_anew(topic, looks)).cloned().collect();
        self.had.offsets.retain(|(topic, _), _| !anew.contains(topic));
        self.had.notes.retain(|(topic, _), _| !anew.contains(topic));
    }

    fn is_made_anew(&self, topic: &str, looks: &Looks) -> bool {
        let before = self.last.as_ref().and_then(|last| last.topics.get(topic));
        before.is_some_and(|before| looks.topics.get(topic) != Some(before))
    }
}
