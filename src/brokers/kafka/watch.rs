//! What the task and the subscriptions of one cluster share: the watched groups and what is wanted.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::belief::Belief;
use super::depths::{Depths, Found};
use super::start::Kept;
use super::{Wanted, errors};
use crate::brokers::{Gaps, Interest, QueueFacts};
use crate::clock::Clock;
use crate::scaling::observation::{QueueReading, Unknown};
use crate::scaling::time::Timestamp;

#[derive(Debug)]
pub struct Watch {
    pub clock: Clock,
    /// There is a new group or a new interest.
    pub news: Notify,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    groups: HashMap<Wanted, Watched>,
    next_id: u64,
    /// Why the cluster cannot be read at all.
    broken: Option<Unknown>,
    depths: Depths,
    /// The cluster's id.
    cluster: Option<String>,
}

#[derive(Debug)]
pub struct Watched {
    pub belief: Belief,
    pub kept: Kept,
    /// When the position was last committed, or tried to be.
    pub kept_at: Option<Timestamp>,
    /// Why it could not be.
    pub position_gap: Option<Unknown>,
    /// The time to start from was set by us.
    pub replayed: bool,
    /// It cannot be set: the group has begun.
    pub refused: bool,
    subscribers: HashMap<u64, Subscriber>,
}

#[derive(Debug)]
struct Subscriber {
    wake: Arc<Notify>,
    /// `None` until the pool has said.
    interest: Option<Interest>,
    dead_letter_topic: Option<String>,
    /// What it was last woken for.
    said: Option<(OfGroup, OfDeadLetters)>,
}

/// Its reading, and why its position cannot be kept.
type OfGroup = (Option<QueueReading>, Option<Unknown>);
/// Their number, and the reason why it cannot be had.
type OfDeadLetters = (Option<u64>, Option<&'static str>);

/// What the pools on one group want together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a set of wishes, each there or not")]
pub struct Wishes {
    pub workers: bool,
    pub by_worker: bool,
    pub relaxed: bool,
    /// Some pool has not said yet what it has.
    pub unsaid: bool,
    /// No worker of any of them ever started.
    pub new: bool,
}

impl Watch {
    pub fn new(clock: Clock) -> Self {
        Self { clock, news: Notify::new(), table: Mutex::default() }
    }

    pub fn subscribe(&self, wanted: &Wanted, dead_letter_topic: Option<String>, wake: Arc<Notify>) -> u64 {
        let mut table = self.lock();
        table.next_id += 1;
        let id = table.next_id;
        let broken = table.broken.clone();
        let watched = table.groups.entry(wanted.clone()).or_insert_with(|| {
            let mut watched = Watched::new(wanted);
            if let Some(why) = broken {
                watched.belief.failed(why);
            }
            watched
        });
        watched.subscribers.insert(id, Subscriber { wake, interest: None, dead_letter_topic, said: None });
        drop(table);
        self.news.notify_one();
        id
    }

    pub fn unsubscribe(&self, wanted: &Wanted, id: u64) {
        let mut table = self.lock();
        if let Some(watched) = table.groups.get_mut(wanted) {
            watched.subscribers.remove(&id);
            if watched.subscribers.is_empty() {
                table.groups.remove(wanted);
            }
        }
    }

    pub fn set_interest(&self, wanted: &Wanted, id: u64, interest: Interest) {
        let mut table = self.lock();
        let subscriber = table.groups.get_mut(wanted).and_then(|watched| watched.subscribers.get_mut(&id));
        if let Some(subscriber) = subscriber.filter(|subscriber| subscriber.interest != Some(interest)) {
            subscriber.interest = Some(interest);
            drop(table);
            self.news.notify_one();
        }
    }

    pub fn reading(&self, wanted: &Wanted, id: u64) -> Option<QueueReading> {
        let (table, now) = (self.lock(), self.clock.now());
        let watched = table.groups.get(wanted)?;
        let mut reading = watched.refusal(wanted).or_else(|| watched.belief.reading(now));
        if let Some(QueueReading::Known(counts)) = &mut reading {
            let topic = watched.dead_letter_topic(id);
            counts.dead_letters = topic.and_then(|topic| table.depths.of(topic, now));
        }
        reading
    }

    pub fn facts(&self, wanted: &Wanted) -> Option<QueueFacts> {
        let table = self.lock();
        table.groups.get(wanted)?.belief.last()?;
        Some(QueueFacts {
            queue_type: Some("consumer group".to_owned()),
            cluster: table.cluster.clone(),
            ..QueueFacts::default()
        })
    }

    pub fn gaps(&self, wanted: &Wanted, id: u64) -> Gaps {
        let table = self.lock();
        let Some(watched) = table.groups.get(wanted) else { return Gaps::default() };
        let failure = watched.belief.failure().cloned();
        let depth = watched.dead_letter_topic(id).and_then(|topic| table.depths.failure(topic));
        Gaps { ready: failure.or_else(|| watched.position_gap.clone()), facts: depth.cloned(), ..Gaps::default() }
    }

    /// The topics for dead letters that pools name, and those to be looked at now.
    pub fn dead_letters(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let mut table = self.lock();
        let pools = table.groups.values().flat_map(|watched| watched.subscribers.values());
        let topics: BTreeSet<String> = pools.filter_map(|pool| pool.dead_letter_topic.clone()).collect();
        let due = table.depths.due(&topics, self.clock.now());
        (topics, due)
    }

    /// What a round found out besides the groups; whom it concerns is woken with what it says of its group.
    pub fn learned(&self, cluster: Option<&str>, found: Found) {
        let mut table = self.lock();
        table.depths.looked(found, self.clock.now());
        if table.cluster.as_deref() != cluster {
            table.cluster = cluster.map(str::to_owned);
            let subscribers = table.groups.values_mut().flat_map(|watched| watched.subscribers.values_mut());
            subscribers.for_each(|subscriber| subscriber.said = None);
        }
    }

    /// The groups, and what is wanted of each.
    pub fn wishes(&self) -> Vec<(Wanted, Wishes)> {
        self.lock().groups.iter().map(|(wanted, watched)| (wanted.clone(), watched.wishes())).collect()
    }

    /// Changes what is believed of one group and wakes whom it concerns.
    pub fn update<T>(&self, wanted: &Wanted, change: impl FnOnce(&mut Watched) -> T) -> Option<T> {
        let now = self.clock.now();
        let Table { groups, depths, .. } = &mut *self.lock();
        let watched = groups.get_mut(wanted)?;
        let changed = change(watched);
        watched.settle(wanted, depths, now);
        Some(changed)
    }

    /// The same where nobody is to be woken yet.
    pub fn update_quietly<T>(&self, wanted: &Wanted, change: impl FnOnce(&mut Watched) -> T) -> Option<T> {
        self.lock().groups.get_mut(wanted).map(change)
    }

    /// The cluster answers (`None`), or does not and why.
    pub fn set_broken(&self, broken: Option<&Unknown>) {
        let now = self.clock.now();
        let Table { groups, depths, broken: known, .. } = &mut *self.lock();
        *known = broken.cloned();
        let Some(why) = broken else { return };
        for (wanted, watched) in groups {
            watched.belief.failed(why.clone());
            watched.settle(wanted, depths, now);
        }
    }

    /// For people and metrics: subscriptions, and why reading fails.
    pub fn status(&self) -> (usize, Option<Unknown>) {
        let table = self.lock();
        (table.groups.values().map(|watched| watched.subscribers.len()).sum(), table.broken.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn new(wanted: &Wanted) -> Self {
        Self {
            belief: Belief::new(wanted.clone()),
            kept: Kept::default(),
            kept_at: None,
            position_gap: None,
            replayed: false,
            refused: false,
            subscribers: HashMap::new(),
        }
    }

    fn wishes(&self) -> Wishes {
        let said = || self.subscribers.values().filter_map(|pool| pool.interest);
        Wishes {
            workers: said().any(|interest| interest.in_flight),
            by_worker: said().any(|interest| interest.by_worker),
            relaxed: said().all(|interest| interest.relaxed),
            unsaid: self.subscribers.values().any(|pool| pool.interest.is_none()),
            new: said().all(|interest| !interest.begun),
        }
    }

    fn refusal(&self, wanted: &Wanted) -> Option<QueueReading> {
        self.refused.then(|| QueueReading::Unknown(errors::start_refused(&wanted.group)))
    }

    fn dead_letter_topic(&self, id: u64) -> Option<&str> {
        self.subscribers.get(&id)?.dead_letter_topic.as_deref()
    }

    fn settle(&mut self, wanted: &Wanted, depths: &Depths, now: Timestamp) {
        let of_group = (self.refusal(wanted).or_else(|| self.belief.outline(now)), self.position_gap.clone());
        for subscriber in self.subscribers.values_mut() {
            let topic = subscriber.dead_letter_topic.as_deref();
            let failure = topic.and_then(|topic| depths.failure(topic)).map(|why| why.reason);
            let of_dead_letters = (topic.and_then(|topic| depths.of(topic, now)), failure);
            if subscriber.said.as_ref().is_none_or(|said| said.0 != of_group || said.1 != of_dead_letters) {
                subscriber.said = Some((of_group.clone(), of_dead_letters));
                subscriber.wake.notify_one();
            }
        }
    }
}
