//! One AMQP connection, and passive declares pipelined on its channels.

use std::time::Duration;

use futures::future::maybe_done;
use lapin::options::QueueDeclareOptions;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Error, ErrorKind};
use tokio::time::{Instant, timeout};

use super::errors;
use super::identity::Identity;
use crate::amqp::{self, Address, Fuse};
use crate::scaling::observation::Unknown;

/// Name look-up, TCP, TLS and the AMQP handshake together.
const CONNECT: Duration = Duration::from_secs(10);

/// One answer. The server itself waits up to 250 ms for a queue without a leader.
const ANSWER_SECONDS: f64 = 5.0;

/// A connection to one vhost. Dropping it cuts the socket; [`Link::close`] says goodbye first.
pub struct Link {
    connection: Connection,
    address: Address,
    username: String,
    // After `connection`: its farewell may still be on the way out.
    _fuse: Fuse,
}

/// What one queue answered.
#[derive(Clone, Debug)]
pub enum Answer {
    Counts { ready: u64, consumers: u64 },
    Refused(Unknown),
}

/// Answers to the first of the queues asked for, in order.
pub struct Answers {
    /// Each with the time it was waited for after the one before.
    pub answers: Vec<(Answer, Duration)>,
    /// A refusal closes the channel and swallows all answers behind it.
    pub channel_closed: bool,
}

impl Link {
    pub async fn open(identity: &Identity) -> Result<Self, Unknown> {
        let address = identity.address()?;
        let endpoint = identity.amqp_endpoint();
        let (connection, fuse) =
            amqp::connect_with_fuse(&endpoint, CONNECT).await.map_err(|error| errors::not_connected(&error))?;
        Ok(Self { connection, address, username: endpoint.username, _fuse: fuse })
    }

    pub fn username(&self) -> &str {
        &self.username
    }

    pub fn vhost(&self) -> &str {
        &self.address.vhost
    }

    pub async fn channel(&self) -> Result<Channel, Unknown> {
        match timeout(Duration::from_secs_f64(ANSWER_SECONDS), self.connection.create_channel()).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(_)) => Err(errors::connection_lost(&self.address.authority())),
            Err(_) => Err(errors::no_answer(&self.address.authority(), ANSWER_SECONDS)),
        }
    }

    /// Sends passive declares of all `queues` at once, then takes the answers in order.
    ///
    /// `Err` means that the connection is of no use any more.
    pub async fn look(&self, channel: &Channel, queues: &[String]) -> Result<Answers, Unknown> {
        let mut sent = Vec::with_capacity(queues.len());
        for queue in queues {
            let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            let name = amqp::short(queue).map_err(|_| errors::invalid_queue())?;
            let declare = channel.queue_declare(name, options, FieldTable::default());
            let mut declare = maybe_done(Box::pin(declare));
            // The first poll puts the frame on the wire.
            let _ = futures::poll!(&mut declare);
            sent.push((queue, declare));
        }
        let mut answers = Vec::with_capacity(queues.len());
        for (queue, mut declare) in sent {
            let asked = Instant::now();
            if timeout(Duration::from_secs_f64(ANSWER_SECONDS), &mut declare).await.is_err() {
                return Err(errors::no_answer(&self.address.authority(), ANSWER_SECONDS));
            }
            let waited = asked.elapsed();
            match std::pin::Pin::new(&mut declare).take_output() {
                Some(Ok(found)) => {
                    let (ready, consumers) = (found.message_count().into(), found.consumer_count().into());
                    answers.push((Answer::Counts { ready, consumers }, waited));
                }
                Some(Err(error)) => {
                    answers.push((Answer::Refused(self.refusal(&error, queue)?), waited));
                    return Ok(Answers { answers, channel_closed: true });
                }
                None => return Err(errors::connection_lost(&self.address.authority())),
            }
        }
        Ok(Answers { answers, channel_closed: false })
    }

    /// What an error says of `queue`; `Err` if it is about the whole connection.
    fn refusal(&self, error: &Error, queue: &str) -> Result<Unknown, Unknown> {
        let ErrorKind::ProtocolError(protocol) = error.kind() else {
            return Err(errors::connection_lost(&self.address.authority()));
        };
        match protocol.kind() {
            // "no queue 'x'" against "queue 'x' … process is stopped" or "home node … is down".
            AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) if protocol.get_message().as_str().contains("no queue") => {
                Ok(errors::queue_missing(queue, &self.address.vhost))
            }
            AMQPErrorKind::Soft(AMQPSoftError::RESOURCELOCKED) => Ok(errors::queue_exclusive(queue)),
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Ok(errors::queue_forbidden(queue, &self.username)),
            AMQPErrorKind::Soft(_) => Ok(errors::queue_unavailable(queue)),
            AMQPErrorKind::Hard(_) => Err(errors::connection_lost(&self.address.authority())),
        }
    }

    pub async fn close(self) {
        let farewell = self.connection.close(200, "OK".into());
        // The fuse cuts what does not answer.
        let _ = timeout(Duration::from_secs(2), farewell).await;
    }
}
