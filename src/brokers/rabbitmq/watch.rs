//! What the tasks and subscriptions of one identity share: the watched queues and what is wanted.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Source;
use super::belief::Belief;
use super::declare::Wish;
use super::errors;
use super::load::Load;
use super::watched::{Depths, Lane, Subscriber, Watched};
use crate::brokers::{Declaration, Gaps, Interest, QueueFacts};
use crate::clock::Clock;
use crate::scaling::observation::{QueueReading, Unknown};
use crate::scaling::time::Timestamp;

#[derive(Debug)]
pub struct Watch {
    pub clock: Clock,
    /// Shared with all who read from the same broker.
    pub load: Arc<Load>,
    /// For the AMQP side: there is a new queue.
    pub amqp_news: Notify,
    /// For the management side: a new queue, a new interest or a new doubt.
    pub management_news: Notify,
    /// For the management side: the broker took an AMQP connection, so waiting out a backoff is pointless.
    pub connected: Notify,
    /// For whoever declares: there is a new wish, or an old one is due again.
    pub wishes: Notify,
    /// There is a management API to wait for.
    pub(super) listable: bool,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    pub queues: HashMap<String, Watched>,
    pub depths: Depths,
    /// When each dead-letter queue was last looked at over AMQP.
    pub depths_looked: HashMap<String, Timestamp>,
    next_id: u64,
    /// Why there is no AMQP connection.
    broken: Option<Unknown>,
    /// Why the management API cannot be read.
    unlisted: Option<Unknown>,
    by_worker_gap: Option<Unknown>,
    /// Why counts of tasks in flight are late.
    late: Option<Unknown>,
    facts_gap: Option<Unknown>,
    /// Exchanges or bindings were made since the topology was read.
    pub topology_changed: bool,
}

/// What the pools of one identity want of its management API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a set of wishes, each there or not")]
pub struct Wants {
    pub in_flight: bool,
    pub by_worker: bool,
    /// A watched queue with workers is classic: its row is never older than the list.
    pub classic: bool,
    /// A zero, or a broken AMQP connection, that a list could help with.
    pub doubt: bool,
    /// Some queue's settings can be read and were not.
    pub facts: bool,
    /// What is remembered of exchanges and bindings is out of date.
    pub topology: bool,
}

impl Watch {
    pub fn new(clock: Clock, load: Arc<Load>, listable: bool) -> Self {
        Self {
            clock,
            load,
            amqp_news: Notify::new(),
            management_news: Notify::new(),
            connected: Notify::new(),
            wishes: Notify::new(),
            listable,
            table: Mutex::default(),
        }
    }

    pub fn subscribe(&self, source: Source, wake: Arc<Notify>) -> u64 {
        let Source { queue, dead_letter_queue, declare, .. } = source;
        let mut table = self.lock();
        let Table { queues, next_id, broken, unlisted, .. } = &mut *table;
        *next_id += 1;
        let watched = queues.entry(queue).or_insert_with(|| {
            self.load.add_queue();
            let mut belief = Belief::new(self.listable);
            if let Some(why) = broken {
                belief.declare_failed(why.clone(), false, self.clock.now());
            }
            if let Some(why) = unlisted {
                belief.list_failed(why.clone());
            }
            Watched::new(belief)
        });
        let (interest, wish) = (Interest::default(), declare.map(|declare| Box::new(Wish::new(declare))));
        let subscriber = Subscriber { wake, interest, dead_letter_queue, wish, said: Default::default() };
        watched.subscribers.insert(*next_id, subscriber);
        let id = *next_id;
        drop(table);
        self.amqp_news.notify_one();
        self.management_news.notify_one();
        self.wishes.notify_one();
        id
    }

    pub fn unsubscribe(&self, queue: &str, id: u64) {
        let mut table = self.lock();
        if let Some(watched) = table.queues.get_mut(queue) {
            watched.subscribers.remove(&id);
            if watched.subscribers.is_empty() {
                table.queues.remove(queue);
                self.load.remove_queue();
            }
        }
    }

    pub fn set_interest(&self, queue: &str, id: u64, interest: Interest) {
        let mut table = self.lock();
        let subscriber = table.queues.get_mut(queue).and_then(|watched| watched.subscribers.get_mut(&id));
        if let Some(subscriber) = subscriber.filter(|subscriber| subscriber.interest != interest) {
            subscriber.interest = interest;
            drop(table);
            self.management_news.notify_one();
        }
    }

    pub fn reading(&self, queue: &str, id: u64) -> Option<QueueReading> {
        let table = self.lock();
        table.queues.get(queue)?.reading(id, &table.depths, self.clock.now())
    }

    pub fn facts(&self, queue: &str, id: u64) -> Option<QueueFacts> {
        self.lock().queues.get(queue)?.facts(id)
    }

    pub fn declaration(&self, queue: &str, id: u64) -> Option<Declaration> {
        let table = self.lock();
        let wish = table.queues.get(queue)?.subscribers.get(&id)?.wish.as_ref()?;
        Some(wish.outcome().clone())
    }

    pub fn gaps(&self, queue: &str) -> Gaps {
        let table = self.lock();
        let Some(watched) = table.queues.get(queue) else { return Gaps::default() };
        let list = match watched.belief.list_failure() {
            Some(why) => Some(why.clone()),
            None => (!self.listable).then(errors::management_missing),
        };
        let counts = list.clone().or_else(|| table.late.clone());
        let by_worker = list.clone().or_else(|| table.by_worker_gap.clone()).or_else(|| table.late.clone());
        Gaps {
            ready: watched.belief.declare_failure().cloned().or_else(|| errors::slowed(self.load.period())),
            in_flight: counts.or_else(|| watched.belief.lacks_totals().then(errors::totals_missing)),
            by_worker: by_worker.filter(|_| watched.wants_workers()),
            facts: list.or_else(|| table.facts_gap.clone()),
        }
    }

    /// The queues of `lane` that are due within `slack` seconds.
    pub fn due(&self, lane: Lane, slack: f64) -> Vec<String> {
        let until = self.clock.now().plus(slack);
        let table = self.lock();
        let due = table.queues.iter().filter(|(_, watched)| watched.is_looked_at_on(lane) && watched.due <= until);
        due.map(|(queue, _)| queue.clone()).collect()
    }

    /// Seconds until a queue of `lane` is due; `None` if there is none.
    pub fn next_due(&self, lane: Lane) -> Option<f64> {
        let now = self.clock.now();
        let table = self.lock();
        let of_lane = table.queues.values().filter(|watched| watched.is_looked_at_on(lane));
        of_lane.map(|watched| watched.due.since(now).max(0.0)).min_by(f64::total_cmp)
    }

    /// Changes what is believed of one queue and wakes whom it concerns. `change` is told whether
    /// some pool on the queue has workers.
    pub fn update_queue(&self, queue: &str, change: impl FnOnce(&mut Watched, bool)) {
        let mut table = self.lock();
        let Table { queues, depths, .. } = &mut *table;
        let Some(watched) = queues.get_mut(queue) else { return };
        let doubted = watched.belief.wants_list();
        let (workers, now) = (watched.has_workers(), self.clock.now());
        change(watched, workers);
        watched.settle(depths, now);
        if watched.belief.is_missing() && watched.missing(now) {
            self.wishes.notify_one();
        }
        if watched.belief.wants_list() && !doubted {
            self.management_news.notify_one();
        }
    }

    /// The same for all queues.
    pub fn update_all(&self, mut change: impl FnMut(&str, &mut Watched, bool)) {
        let now = self.clock.now();
        let mut table = self.lock();
        let Table { queues, depths, .. } = &mut *table;
        for (queue, watched) in queues {
            let workers = watched.has_workers();
            change(queue, watched, workers);
            watched.settle(depths, now);
        }
    }

    /// There is an AMQP connection (`None`), or none and why.
    pub fn set_broken(&self, broken: Option<&Unknown>) {
        self.lock().broken = broken.cloned();
        if let Some(why) = broken {
            let now = self.clock.now();
            self.update_all(|_, watched, workers| {
                watched.belief.declare_failed(why.clone(), workers, now);
                // The next connection looks at everything at once.
                watched.due = now;
            });
            self.management_news.notify_one();
        }
    }

    /// The management API answers (`None`), or does not and why.
    pub fn set_unlisted(&self, unlisted: Option<&Unknown>) {
        self.lock().unlisted = unlisted.cloned();
        if let Some(why) = unlisted {
            self.update_all(|_, watched, _| watched.belief.list_failed(why.clone()));
        }
    }

    /// For people and metrics: subscriptions, and why either source fails.
    pub fn status(&self) -> (usize, Option<Unknown>, Option<Unknown>) {
        let table = self.lock();
        let subscriptions = table.queues.values().map(|watched| watched.subscribers.len()).sum();
        (subscriptions, table.broken.clone(), table.unlisted.clone())
    }

    pub fn names(&self) -> HashSet<String> {
        self.lock().queues.keys().cloned().collect()
    }

    pub fn topology_was_read(&self) {
        self.lock().topology_changed = false;
    }

    pub fn set_by_worker_gap(&self, gap: Option<Unknown>) {
        let mut table = self.lock();
        if table.by_worker_gap != gap {
            table.by_worker_gap = gap;
            table.queues.values().filter(|watched| watched.wants_workers()).for_each(Watched::wake_all);
        }
    }

    /// A round of management requests took so many seconds.
    pub fn set_round(&self, seconds: f64) {
        let late = errors::counts_slowed(seconds);
        let mut table = self.lock();
        let reason = |gap: &Option<Unknown>| gap.as_ref().map(|why| why.reason);
        let wake = reason(&table.late) != reason(&late);
        table.late = late;
        if wake {
            table.queues.values().for_each(Watched::wake_all);
        }
    }

    pub fn set_facts_gap(&self, gap: Option<Unknown>) {
        let mut table = self.lock();
        if table.facts_gap != gap {
            table.facts_gap = gap;
            table.queues.values().for_each(Watched::wake_all);
        }
    }

    pub fn wants(&self) -> Wants {
        let now = self.clock.now();
        let table = self.lock();
        let mut wants = Wants::default();
        for watched in table.queues.values() {
            let workers = watched.has_workers();
            wants.in_flight |= workers;
            wants.classic |= workers && watched.belief.is_classic();
            wants.by_worker |= watched.wants_workers();
            wants.doubt |= watched.belief.wants_list();
            wants.facts |= watched.wants_settings(now);
            wants.topology |= table.topology_changed;
        }
        wants
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
