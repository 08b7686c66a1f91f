//! Reading backlogs. A broker plug-in is a folder here and one line in [`Source`]'s match.
//!
//! One poller per broker identity (endpoint and credentials) serves every pool on it.

pub mod rabbitmq;

use std::sync::Arc;

use tokio::sync::Notify;

use crate::scaling::observation::QueueReading;

/// What to read: a broker, a login and a queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    RabbitMq(rabbitmq::Source),
}

/// How closely a pool needs its queue watched now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// The pool has workers: unacked counts matter.
    pub in_flight: bool,
    /// Its workers have no status endpoint: unacked counts by worker name matter.
    pub by_worker: bool,
    /// The pool cannot grow now (at its maximum, in a steady backlog): reading may be slower.
    pub relaxed: bool,
}

/// The readers of all brokers, as the controller sees them.
pub trait Brokers: Send + Sync {
    /// Begins reading `source`; `wake` is notified when the reading changes.
    /// Reading ends when the subscription is dropped.
    fn subscribe(&self, source: Source, wake: Arc<Notify>) -> Box<dyn Subscription>;
}

pub trait Subscription: Send + Sync {
    /// The last reading; `None` until the first attempt has ended.
    fn latest(&self) -> Option<QueueReading>;
    /// What is known of the queue itself; `None` until it could be read.
    fn facts(&self) -> Option<QueueFacts>;
    fn set_interest(&self, interest: Interest);
}

/// What a broker says of a queue, besides counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueFacts {
    /// Where the queue's own settings or policy send dead letters.
    pub dead_letter: Option<DeadLetterTarget>,
    /// The broker's word for its type: `quorum`, `classic`.
    pub queue_type: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterTarget {
    pub exchange: String,
    pub routing_key: String,
    /// The queue where dead letters end, if it could be found.
    pub queue: Option<String>,
}
