//! What the task and the subscriptions of one queue share.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::belief::{Belief, Look};
use super::schedule;
use crate::brokers::{Gaps, Interest, QueueFacts};
use crate::clock::Clock;
use crate::scaling::observation::{Counted, QueueReading, Unknown};
use crate::scaling::time::Timestamp;

/// Seconds after which a dead-letter depth is no longer shown: two looks that did not come.
const DEPTH_EXPIRES: f64 = 2.5 * schedule::DEPTH_IDLE;

#[derive(Debug)]
pub struct Watch {
    pub clock: Clock,
    /// There is a new pool or a new interest: the next look may be due earlier.
    pub news: Notify,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    belief: Belief,
    facts: Option<QueueFacts>,
    /// Depths of dead-letter queues, by URL.
    depths: HashMap<String, Counted>,
    depth_failure: Option<Unknown>,
    subscribers: HashMap<u64, Subscriber>,
    next_id: u64,
}

#[derive(Debug)]
struct Subscriber {
    wake: Arc<Notify>,
    interest: Interest,
    /// Named by the pool; `None` = found from the queue's redrive policy.
    dead_letter_queue: Option<String>,
    /// What it was last woken for.
    said: (Option<QueueReading>, Option<u64>),
}

impl Watch {
    pub fn new(clock: Clock, fifo: bool) -> Self {
        let table = Table { belief: Belief::new(fifo), ..Table::default() };
        Self { clock, news: Notify::new(), table: Mutex::new(table) }
    }

    pub fn subscribe(&self, dead_letter_queue: Option<String>, wake: Arc<Notify>) -> u64 {
        let mut table = self.lock();
        table.next_id += 1;
        let id = table.next_id;
        let interest = Interest::default();
        table.subscribers.insert(id, Subscriber { wake, interest, dead_letter_queue, said: (None, None) });
        id
    }

    pub fn unsubscribe(&self, id: u64) {
        self.lock().subscribers.remove(&id);
    }

    pub fn set_interest(&self, id: u64, interest: Interest) {
        let mut table = self.lock();
        let subscriber = table.subscribers.get_mut(&id).filter(|subscriber| subscriber.interest != interest);
        if let Some(subscriber) = subscriber {
            subscriber.interest = interest;
            drop(table);
            self.news.notify_one();
        }
    }

    pub fn reading(&self, id: u64) -> Option<QueueReading> {
        let (table, now) = (self.lock(), self.clock.now());
        let subscriber = table.subscribers.get(&id)?;
        let mut reading = table.belief.reading(now)?;
        if let QueueReading::Known(counts) = &mut reading {
            counts.dead_letters = table.depth(subscriber, now);
        }
        Some(reading)
    }

    pub fn facts(&self) -> Option<QueueFacts> {
        self.lock().facts.clone()
    }

    pub fn gaps(&self) -> Gaps {
        let table = self.lock();
        Gaps { ready: table.belief.failure().cloned(), facts: table.depth_failure.clone(), ..Gaps::default() }
    }

    /// Seconds from one look to the next.
    pub fn period(&self, chance: f64) -> f64 {
        let table = self.lock();
        schedule::period(&table.belief, table.interest(), chance)
    }

    /// The dead-letter queues whose depth is to be read now.
    pub fn due_depths(&self) -> Vec<String> {
        let (table, now) = (self.lock(), self.clock.now());
        let period = if table.interest().in_flight { schedule::DEPTH } else { schedule::DEPTH_IDLE };
        let all: BTreeSet<&str> = table.subscribers.values().filter_map(|pool| table.dead_letter_queue(pool)).collect();
        let due = |queue: &&str| table.depths.get(*queue).is_none_or(|depth| now.since(depth.at) >= period);
        all.into_iter().filter(due).map(str::to_owned).collect()
    }

    pub fn looked(&self, look: Look, facts: QueueFacts) {
        self.update(|table| {
            table.belief.looked(look);
            let new = table.facts.as_ref() != Some(&facts);
            table.facts = Some(facts);
            new
        });
    }

    pub fn failed(&self, why: Unknown) {
        self.update(|table| {
            let new = table.belief.failure().map(|before| before.reason) != Some(why.reason);
            table.belief.failed(why);
            new
        });
    }

    pub fn counted_dead_letters(&self, queue: &str, depth: &Result<u64, Unknown>) {
        let at = self.clock.now();
        self.update(|table| {
            let failure = depth.as_ref().err().cloned();
            let new = table.depth_failure.as_ref().map(|why| why.reason) != failure.as_ref().map(|why| why.reason);
            table.depth_failure = failure;
            match depth {
                &Ok(count) => {
                    table.depths.insert(queue.to_owned(), Counted { count, at });
                }
                // Not at once again: the age of what is shown stays as it is.
                Err(_) => table.depths.retain(|name, _| name != queue),
            }
            new
        });
    }

    /// Changes something and wakes every pool for whom something else is true than when it was last
    /// woken; all of them where `change` answers so.
    fn update(&self, change: impl FnOnce(&mut Table) -> bool) {
        let now = self.clock.now();
        let mut table = self.lock();
        let all = change(&mut table);
        let outline = table.belief.outline(now);
        let depths: Vec<(u64, Option<u64>)> =
            table.subscribers.iter().map(|(id, pool)| (*id, table.depth(pool, now))).collect();
        for (id, depth) in depths {
            let Some(pool) = table.subscribers.get_mut(&id) else { continue };
            let said = (outline.clone(), depth);
            if all || pool.said != said {
                pool.said = said;
                pool.wake.notify_one();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// What all pools on the queue want together.
    fn interest(&self) -> Interest {
        let pools = || self.subscribers.values().map(|pool| pool.interest);
        Interest {
            begun: true,
            in_flight: pools().any(|interest| interest.in_flight),
            relaxed: pools().all(|interest| interest.relaxed),
            ..Interest::default()
        }
    }

    fn dead_letter_queue<'a>(&'a self, pool: &'a Subscriber) -> Option<&'a str> {
        let found = || self.facts.as_ref()?.dead_letter.as_ref()?.queue();
        pool.dead_letter_queue.as_deref().or_else(found)
    }

    fn depth(&self, pool: &Subscriber, now: Timestamp) -> Option<u64> {
        let depth = self.depths.get(self.dead_letter_queue(pool)?)?;
        (now.since(depth.at) <= DEPTH_EXPIRES).then_some(depth.count)
    }
}
