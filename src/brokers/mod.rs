//! Reading backlogs. A broker plug-in is a folder here and one line in [`live`]'s match.
//!
//! One poller per broker identity (endpoint, vhost and credentials) serves every pool on it:
//! connections, requests and backoff are counted per broker, not per pool. Pollers are tasks of
//! their own, so a slow or dead broker delays no other.

pub mod backoff;
pub mod check;
pub mod kafka;
pub mod metrics;
pub mod rabbitmq;
mod registry;
pub mod sqs;

use std::sync::Arc;

use tokio::sync::Notify;

use crate::scaling::observation::{QueueReading, Unknown};

pub use registry::{Live, live};

/// What to read: a broker, a login and a queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    RabbitMq(rabbitmq::Source),
    Sqs(sqs::Source),
    Kafka(kafka::Source),
}

impl Source {
    /// The same, with nothing to declare or to commit.
    #[must_use]
    pub fn reading_only(self) -> Self {
        match self {
            Self::RabbitMq(source) => Self::RabbitMq(rabbitmq::Source { declare: None, ..source }),
            Self::Sqs(source) => Self::Sqs(source),
            Self::Kafka(mut source) => {
                source.wanted.keeps_position = false;
                Self::Kafka(source)
            }
        }
    }
}

/// How closely a pool needs its queue watched now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "what a pool is, each so or not")]
pub struct Interest {
    /// The pool has workers: unacked counts matter, and an empty queue without consumers is odd.
    pub in_flight: bool,
    /// Its workers have no status endpoint: unacked counts by worker name matter.
    pub by_worker: bool,
    /// The pool cannot grow now (at its maximum, in a steady backlog): reading may be slower.
    pub relaxed: bool,
    /// It has worked before: where it begins is settled.
    pub begun: bool,
}

/// The readers of all brokers, as the controller sees them.
pub trait Brokers: Send + Sync {
    /// Begins reading `source`; `wake` is notified when the reading, the facts, the gaps or the declaration change.
    /// Reading ends when the subscription is dropped.
    fn subscribe(&self, source: Source, wake: Arc<Notify>) -> Box<dyn Subscription>;
}

/// One pool's view of its queue.
pub trait Subscription: Send + Sync {
    /// The last reading; `None` until the first attempt has ended.
    ///
    /// `wake` is notified only when the reading *says* something else. A look that confirms the
    /// old one wakes nobody but advances the times in it: freshness is read here, not waited for.
    fn latest(&self) -> Option<QueueReading>;
    /// What is known of the queue itself; `None` until it could be read.
    fn facts(&self) -> Option<QueueFacts>;
    /// Why parts of a known reading are missing or slow.
    fn gaps(&self) -> Gaps;
    /// What became of what the pool wants declared; `None` where it wants nothing.
    fn declaration(&self) -> Option<Declaration> {
        None
    }
    fn set_interest(&self, interest: Interest);
}

/// What a broker says of a queue, besides counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueFacts {
    /// Where the queue's own settings or policy send dead letters.
    pub dead_letter: Option<DeadLetterTarget>,
    /// The broker's word for its type: `quorum`, `classic`, `standard`, `fifo`, `consumer group`.
    pub queue_type: Option<String>,
    /// Which installation of the broker this is, whatever address leads there; `None` = not told.
    pub cluster: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadLetterTarget {
    /// AMQP: what is published to.
    Exchange {
        exchange: String,
        routing_key: String,
        /// The queue where dead letters end, if it could be found.
        queue: Option<String>,
    },
    /// A queue's URL or a topic's name.
    Queue(String),
}

impl DeadLetterTarget {
    /// Where dead letters end, in words for people, if it could be found.
    pub fn queue(&self) -> Option<&str> {
        match self {
            Self::Exchange { queue, .. } => queue.as_deref(),
            Self::Queue(queue) => Some(queue),
        }
    }
}

/// Why a part cannot be had, each with the remedy in its message; `None` = nothing is wrong.
///
/// A pool works with gaps, less well: they are for its conditions, not for the law, which sees
/// only values, ages and `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// The fast look at waiting tasks fails: the reading, if there is one, is slower and older.
    pub ready: Option<Unknown>,
    /// Counts of tasks in flight.
    pub in_flight: Option<Unknown>,
    /// Counts of tasks in flight by worker; only looked for when a pool is interested.
    pub by_worker: Option<Unknown>,
    /// [`Subscription::facts`] and the depth of the dead-letter queue.
    pub facts: Option<Unknown>,
}

/// What became of a wish for queues and exchanges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declaration {
    /// Not tried yet.
    Pending,
    /// All of it is there.
    Ready,
    /// Why it is not.
    Refused(Unknown),
}

/// One broker identity that is read now, for metrics and people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerStatus {
    /// `rabbitmq`, `sqs` or `kafka`.
    pub kind: &'static str,
    /// Without credentials.
    pub address: String,
    /// Pools that read from it.
    pub subscriptions: usize,
    /// What fails: breakers that are open, whose attempts back off.
    pub trouble: Vec<Trouble>,
}

/// One way to a broker that fails now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// `amqp`, `management`, `api`, `kafka`: static, safe as a metric label.
    pub side: &'static str,
    pub why: Unknown,
}
