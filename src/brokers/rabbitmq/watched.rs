//! One watched queue: what is believed of it, and the pools that want to know.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Notify;

use super::belief::{Belief, Outline};
use super::declare::Wish;
use crate::brokers::{Declaration, Interest, QueueFacts};
use crate::scaling::observation::{Counted, QueueReading};
use crate::scaling::time::Timestamp;

/// Seconds after which a dead-letter depth is no longer shown: where no pool has workers, it is
/// looked at once a minute.
const DEPTH_EXPIRES: f64 = 180.0;

/// The channel a queue is looked at on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Pipelined, for queues that answer.
    Main,
    /// One at a time and less often, for queues that refuse or answer late: a refusal closes the
    /// channel, and must not swallow the answers of others.
    Doubtful,
}

/// Seconds until settings are looked for again that could not be read although the queue exists:
/// it may have been created since.
const SETTINGS_RETRY: f64 = 10.0;

/// Depths of dead-letter queues by name.
pub type Depths = HashMap<String, Counted>;

#[derive(Debug)]
pub struct Watched {
    pub belief: Belief,
    pub facts: Option<QueueFacts>,
    /// When the queue's settings were last looked for.
    pub settings_tried: Option<Timestamp>,
    pub lane: Lane,
    /// When the next passive declare is due.
    pub due: Timestamp,
    pub subscribers: HashMap<u64, Subscriber>,
}

#[derive(Debug)]
pub struct Subscriber {
    pub wake: Arc<Notify>,
    pub interest: Interest,
    /// Named by the pool; `None` = found from the queue's settings.
    pub dead_letter_queue: Option<String>,
    /// What it wants declared; few want anything.
    pub wish: Option<Box<Wish>>,
    /// What it was last woken for.
    pub said: (Outline, Option<u64>),
}

impl Watched {
    pub fn new(belief: Belief) -> Self {
        let due = Timestamp::default();
        Self { belief, facts: None, settings_tried: None, lane: Lane::Main, due, subscribers: HashMap::new() }
    }

    pub fn has_workers(&self) -> bool {
        self.subscribers.values().any(|subscriber| subscriber.interest.in_flight)
    }

    pub fn wants_workers(&self) -> bool {
        self.subscribers.values().any(|subscriber| subscriber.interest.by_worker)
    }

    /// Its settings were never looked for, or not found although the queue answers.
    pub fn wants_settings(&self, now: Timestamp) -> bool {
        match self.settings_tried {
            None => true,
            Some(tried) => self.facts.is_none() && self.belief.is_answering() && now.since(tried) > SETTINGS_RETRY,
        }
    }

    /// Not while a pool is about to create it: it would only be found missing.
    pub fn is_looked_at_on(&self, lane: Lane) -> bool {
        let mut wishes = self.subscribers.values().filter_map(|subscriber| subscriber.wish.as_deref());
        self.lane == lane && (self.belief.is_answering() || !wishes.any(Wish::is_first))
    }

    /// Whether there is something to declare because the queue was found missing.
    pub fn missing(&mut self, now: Timestamp) -> bool {
        let mut any = false;
        for wish in self.subscribers.values_mut().filter_map(|subscriber| subscriber.wish.as_deref_mut()) {
            any |= wish.missing(now);
        }
        any
    }

    pub fn facts(&self, id: u64) -> Option<QueueFacts> {
        let wish = || self.subscribers.get(&id)?.wish.as_deref();
        let declared = || wish().filter(|wish| *wish.outcome() == Declaration::Ready);
        self.facts.clone().or_else(|| declared().map(|wish| wish.declare.facts()))
    }

    pub fn is_relaxed(&self) -> bool {
        self.subscribers.values().all(|subscriber| subscriber.interest.relaxed)
    }

    /// The queues whose depth is shown.
    pub fn dead_letter_queues(&self) -> impl Iterator<Item = &str> {
        self.subscribers.values().filter_map(|subscriber| self.dead_letter_queue(subscriber))
    }

    fn dead_letter_queue<'a>(&'a self, subscriber: &'a Subscriber) -> Option<&'a str> {
        let found = || self.facts.as_ref()?.dead_letter.as_ref()?.queue();
        subscriber.dead_letter_queue.as_deref().or_else(found)
    }

    fn depth(&self, subscriber: &Subscriber, depths: &Depths, now: Timestamp) -> Option<u64> {
        let depth = depths.get(self.dead_letter_queue(subscriber)?)?;
        (now.since(depth.at) <= DEPTH_EXPIRES).then_some(depth.count)
    }

    pub fn reading(&self, id: u64, depths: &Depths, now: Timestamp) -> Option<QueueReading> {
        let subscriber = self.subscribers.get(&id)?;
        let mut reading = self.belief.reading(self.has_workers(), now)?;
        if let QueueReading::Known(counts) = &mut reading {
            counts.dead_letters = self.depth(subscriber, depths, now);
        }
        Some(reading)
    }

    /// Wakes every pool for whom something else is true than when it was last woken.
    pub fn settle(&mut self, depths: &Depths, now: Timestamp) {
        let outline = self.belief.outline_of_change(self.has_workers(), now);
        let depths: Vec<_> =
            self.subscribers.iter().map(|(id, subscriber)| (*id, self.depth(subscriber, depths, now))).collect();
        for (id, depth) in depths {
            if let Some(subscriber) = self.subscribers.get_mut(&id)
                && (subscriber.said.0 != outline || subscriber.said.1 != depth)
            {
                subscriber.wake.notify_one();
                subscriber.said = (outline.clone(), depth);
            }
        }
    }

    /// Wakes every pool: facts or gaps changed.
    pub fn wake_all(&self) {
        for subscriber in self.subscribers.values() {
            subscriber.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::brokers::DeadLetterTarget;

    const NOW: Timestamp = Timestamp(100.0);

    fn pool(interest: Interest, dead_letter_queue: Option<&str>) -> Subscriber {
        let dead_letter_queue = dead_letter_queue.map(str::to_owned);
        Subscriber { wake: Arc::default(), interest, dead_letter_queue, wish: None, said: <_>::default() }
    }

    fn watched(pools: Vec<Subscriber>) -> Watched {
        let mut watched = Watched::new(Belief::new(true));
        watched.subscribers = (0..).zip(pools).collect();
        watched
    }

    fn woken(watched: &Watched) -> Vec<bool> {
        let wakes = (0..watched.subscribers.len() as u64).map(|id| watched.subscribers[&id].wake.clone());
        wakes.map(|wake| wake.notified().now_or_never().is_some()).collect()
    }

    #[test]
    fn a_queue_is_watched_slowly_only_if_no_pool_on_it_can_grow() {
        let relaxed = Interest { relaxed: true, ..Interest::default() };
        assert!(watched(vec![pool(relaxed, None), pool(relaxed, None)]).is_relaxed());
        assert!(!watched(vec![pool(relaxed, None), pool(Interest::default(), None)]).is_relaxed());
    }

    #[test]
    fn pools_are_woken_by_a_change_and_not_by_its_confirmation() {
        let mut watched = watched(vec![pool(Interest::default(), None), pool(Interest::default(), None)]);
        watched.belief.declared(3, 1, NOW);
        watched.settle(&Depths::new(), NOW);
        assert_eq!(woken(&watched), [true, true]);
        watched.belief.declared(3, 1, NOW.plus(1.0));
        watched.settle(&Depths::new(), NOW.plus(1.0));
        assert_eq!(woken(&watched), [false, false]);
        let reading = watched.reading(0, &Depths::new(), NOW.plus(1.0));
        assert!(
            matches!(reading, Some(QueueReading::Known(counts)) if counts.at == NOW.plus(1.0)),
            "it is fresh all the same"
        );
    }

    #[test]
    fn each_pool_sees_the_depth_of_the_dead_letter_queue_it_names_or_that_the_settings_lead_to() {
        let mut watched = watched(vec![pool(Interest::default(), None), pool(Interest::default(), Some("mine"))]);
        watched.belief.declared(3, 1, NOW);
        let target = DeadLetterTarget::Exchange {
            exchange: String::new(),
            routing_key: String::new(),
            queue: Some("found".to_owned()),
        };
        watched.facts = Some(QueueFacts { dead_letter: Some(target), ..QueueFacts::default() });
        let counted = |count| Counted { count, at: NOW };
        let depths = Depths::from([("found".to_owned(), counted(5)), ("mine".to_owned(), counted(7))]);
        let depth = |id, now| match watched.reading(id, &depths, now) {
            Some(QueueReading::Known(counts)) => counts.dead_letters,
            other => panic!("{other:?}"),
        };
        assert_eq!((depth(0, NOW), depth(1, NOW)), (Some(5), Some(7)));
        assert_eq!(depth(0, NOW.plus(DEPTH_EXPIRES + 1.0)), None);
    }

    #[test]
    fn settings_are_looked_for_again_when_a_missing_queue_appears() {
        let mut watched = watched(vec![]);
        assert!(watched.wants_settings(NOW));
        watched.settings_tried = Some(NOW);
        assert!(!watched.wants_settings(NOW.plus(60.0)), "it does not exist");
        watched.belief.declared(0, 0, NOW.plus(60.0));
        assert!(watched.wants_settings(NOW.plus(60.0)));
        watched.facts = Some(QueueFacts::default());
        assert!(!watched.wants_settings(NOW.plus(60.0)));
    }
}
