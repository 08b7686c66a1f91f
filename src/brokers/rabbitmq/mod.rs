//! Reading RabbitMQ: passive declares for a fast wake-up, management lists for what is in flight.
//!
//! | file | what it does |
//! |---|---|
//! | `identity` | endpoint and login: checked and normalised once |
//! | `belief` | **pure**: looks in, a reading out; every rule on what may be believed |
//! | `dead_letter` | **pure**: where a queue's dead letters end |
//! | `lists` | the management API's answers as types, and joining them (pure) |
//! | `watch`, `watched` | which queues are watched, how closely, and what is believed of each |
//! | `wishes`, `depths` | what pools want declared, and how full their dead-letter queues are |
//! | `poller` | the life of a poller, from first subscription to last |
//! | `load` | what one broker may be asked, and how often |
//! | `link`, `lanes` | the connection and its two channels of passive declares |
//! | `http`, `management` | requests to the management API and when they are made |
//! | `declare` | creating what a pool wants there to be |
//! | `check` | everything a pool needs, tried step by step |
//! | `errors` | what can go wrong, in the words a user sees |
//!
//! Two sources that fail apart are kept apart: AMQP and the management API each have their own
//! task and backoff, and a queue's [`belief::Belief`] is where they meet.

mod belief;
mod check;
mod dead_letter;
mod declare;
mod depths;
mod errors;
mod http;
mod identity;
mod lanes;
mod link;
mod lists;
mod load;
mod management;
mod poller;
mod schedule;
mod topology;
mod watch;
mod watched;
mod wishes;

pub(super) use check::check;
pub use declare::{Binding, DeadLetter, Declare, QueueType};
pub use identity::Identity;
pub use load::Limits;
pub(super) use load::Load;
pub(super) use poller::Poller;

use crate::amqp::LONGEST_NAME;
use crate::scaling::observation::Unknown;

/// One queue on one RabbitMQ, with the login to read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    pub broker: Identity,
    pub queue: String,
    /// Whose depth to show; `None` = found from the queue's own settings or policy.
    pub dead_letter_queue: Option<String>,
    /// What the operator creates if it is not there; `None` = nothing.
    pub declare: Option<Declare>,
}

impl Source {
    /// Whether this can be asked for at all, whatever the broker says.
    pub fn check(&self) -> Result<(), Unknown> {
        self.broker.address()?;
        // RabbitMQ drops line breaks silently and would answer for another queue.
        if self.queue.is_empty() || self.queue.len() > LONGEST_NAME || self.queue.contains(['\r', '\n']) {
            return Err(errors::invalid_queue());
        }
        Ok(())
    }
}
