//! What the runtime asks of a broker. A broker is a folder beside this file that implements it.

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

pub trait Broker: Send + Sync {
    /// Connects and asks for tasks; at most `slots` are out at once.
    fn subscribe(&self, slots: u16) -> BoxFuture<'_, Result<Box<dyn Subscription>, SubscribeError>>;
}

/// Why there are no tasks to be had, in words for people, with the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SubscribeError(pub String);

pub trait Subscription: Send {
    /// The next task; `None` once nothing more comes: after [`stop`](Self::stop), or because the
    /// connection is lost. May be dropped and called again.
    fn next(&mut self) -> BoxFuture<'_, Option<Box<dyn Delivery>>>;
    /// From now on at most `slots` out at once.
    fn resize(&mut self, slots: u16) -> BoxFuture<'_, ()>;
    /// Asks for no more; what is on its way still comes from `next`. What is out can be settled.
    fn stop(&mut self) -> BoxFuture<'_, ()>;
    /// Leaves, having made sure that the broker has seen what was settled; it takes back the rest.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// A task that the broker has given out and waits to hear of.
pub trait Delivery: Send + Sync {
    fn message(&self) -> &Message;
    /// Cancelled when the broker has taken it back (the connection is gone): whatever is said of it
    /// now goes nowhere, and it is delivered again.
    fn lost(&self) -> &CancellationToken;
    fn ack(&self) -> BoxFuture<'_, Settled>;
    /// Gives it back, not begun.
    fn release(&self) -> BoxFuture<'_, Settled>;
    /// Puts a copy where dead letters go, with the reason. The broker has confirmed it when this
    /// answers `Ok`; the original stays out until [`ack`](Self::ack).
    fn dead_letter<'a>(&'a self, reason: &'a str) -> BoxFuture<'a, Result<(), DeadLetterError>>;
}

/// Whether word of a delivery reached the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    Yes,
    /// The connection it came by is gone: the broker will deliver it again.
    Lost,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DeadLetterError(pub String);

/// What the runtime looks at. The body is opaque.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The publisher's, or generated here where it gave none.
    pub id: String,
    /// 1 for the first; raised by whoever publishes a retry (header `awp-attempt`).
    pub attempt: u32,
    /// The broker has given it out before.
    pub redelivered: bool,
    /// Header `awp-task-type`.
    pub task_type: Option<String>,
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub body: Vec<u8>,
}
