//! The readers of all brokers: finds or starts the poller of an identity.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;

use super::metrics::Requests;
use super::{BrokerStatus, Brokers, Gaps, Interest, QueueFacts, Source, Subscription, kafka, rabbitmq, sqs};
use crate::aws;
use crate::clock::Clock;
use crate::scaling::observation::{QueueReading, Unknown};

/// Readers of real brokers. `jitter` gives numbers in 0..1: they spread periods and retries.
///
/// Subscribing needs a tokio runtime.
pub fn live(clock: Clock, jitter: fn() -> f64) -> Live {
    Live {
        clock,
        jitter,
        limits: rabbitmq::Limits::default(),
        requests: Arc::default(),
        pollers: Mutex::default(),
        loads: Mutex::default(),
        accounts: Mutex::default(),
        queues: Mutex::default(),
        clusters: Mutex::default(),
    }
}

pub struct Live {
    clock: Clock,
    jitter: fn() -> f64,
    limits: rabbitmq::Limits,
    requests: Arc<Requests>,
    pollers: Mutex<HashMap<rabbitmq::Identity, Weak<rabbitmq::Poller>>>,
    loads: Mutex<HashMap<String, Weak<rabbitmq::Load>>>,
    accounts: Mutex<HashMap<aws::Identity, Weak<sqs::Account>>>,
    queues: Mutex<HashMap<(aws::Identity, String), Weak<sqs::Poller>>>,
    clusters: Mutex<HashMap<kafka::Identity, Weak<kafka::Poller>>>,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

impl Brokers for Live {
    fn subscribe(&self, source: Source, wake: Arc<Notify>) -> Box<dyn Subscription> {
        match source {
            Source::RabbitMq(source) => match source.check() {
                Ok(()) => self.rabbitmq(&source.broker).subscribe(source, wake),
                Err(why) => refused(why, &wake),
            },
            Source::Sqs(source) => match source.check() {
                Ok(()) => self.sqs(&source).subscribe(source.dead_letter_queue, wake),
                Err(why) => refused(why, &wake),
            },
            Source::Kafka(source) => match source.check() {
                Ok(()) => self.kafka(&source.broker).subscribe(source, wake),
                Err(why) => refused(why, &wake),
            },
        }
    }
}

impl Live {
    /// What one RabbitMQ may be asked.
    #[must_use]
    pub fn with_limits(self, limits: rabbitmq::Limits) -> Self {
        Self { limits, ..self }
    }

    /// What reading has cost so far.
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// Seconds between two looks at a queue, on the RabbitMQ where they are most.
    pub fn slowest_look(&self) -> f64 {
        let loads = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
        loads.values().filter_map(Weak::upgrade).map(|load| load.period()).fold(0.0, f64::max)
    }

    /// Every identity that is read now, in the order of their addresses.
    pub fn status(&self) -> Vec<BrokerStatus> {
        let pollers = self.pollers.lock().unwrap_or_else(PoisonError::into_inner);
        let living = pollers.values().filter_map(Weak::upgrade);
        let mut status: Vec<BrokerStatus> = living.map(|poller| poller.status()).collect();
        status.extend(sqs::status(self.accounts.lock().unwrap_or_else(PoisonError::into_inner).values()));
        let clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        status.extend(clusters.values().filter_map(Weak::upgrade).map(|poller| poller.status()));
        status.sort_by(|a, b| a.address.cmp(&b.address));
        status
    }

    fn rabbitmq(&self, identity: &rabbitmq::Identity) -> Arc<rabbitmq::Poller> {
        let broker = identity.address().map_or_else(|_| identity.uri.clone(), |address| address.authority());
        let new = || Arc::new(rabbitmq::Load::new(self.limits, self.requests.clone()));
        let load = shared(&self.loads, &broker, new);
        shared(&self.pollers, identity, || rabbitmq::Poller::start(identity, load, self.clock, self.jitter))
    }

    fn kafka(&self, identity: &kafka::Identity) -> Arc<kafka::Poller> {
        shared(&self.clusters, identity, || kafka::Poller::start(identity, self.clock, self.jitter))
    }

    fn sqs(&self, source: &sqs::Source) -> Arc<sqs::Poller> {
        let identity = &source.broker;
        let account = shared(&self.accounts, identity, || sqs::Account::new(identity, self.clock, self.jitter));
        let key = (identity.clone(), source.queue.clone());
        shared(&self.queues, &key, || sqs::Poller::start(account, &source.queue, self.clock, self.jitter))
    }
}

fn refused(why: Unknown, wake: &Notify) -> Box<dyn Subscription> {
    wake.notify_one();
    Box::new(Refused(why))
}

/// The subscription to what cannot be asked for: it only says why.
struct Refused(Unknown);

impl Subscription for Refused {
    fn latest(&self) -> Option<QueueReading> {
        Some(QueueReading::Unknown(self.0.clone()))
    }

    fn facts(&self) -> Option<QueueFacts> {
        None
    }

    fn gaps(&self) -> Gaps {
        Gaps::default()
    }

    fn set_interest(&self, _: Interest) {}
}

/// The living value of `key`, or a new one; forgets those that have ended.
fn shared<K: Clone + Eq + std::hash::Hash, V>(
    map: &Mutex<HashMap<K, Weak<V>>>,
    key: &K,
    make: impl FnOnce() -> Arc<V>,
) -> Arc<V> {
    let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(living) = map.get(key).and_then(Weak::upgrade) {
        return living;
    }
    map.retain(|_, value| value.strong_count() > 0);
    let started = make();
    map.insert(key.clone(), Arc::downgrade(&started));
    started
}
