//! What the bench needs of a broker. A broker is a file beside this one and a line in [`start`] and in [`costs`].

mod kafka;
mod rabbitmq;
mod sqs;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use anyhow::Result;
use futures::future::LocalBoxFuture;
use futures::stream::iter;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use super::figures::Row;
use super::process::Process;
use super::rest::Rest;
use super::site::AT_ONCE;
use crate::base::relay::Relay;
pub use crate::demo::broker::Kind;

/// The Secret that [`Broker::spec`] names.
pub const SECRET: &str = "broker";
/// What lies on the queues.
const TASK: &str = r#"{"durationSeconds":60}"#;

/// A running broker, configured as in production, with a login for the operator.
pub trait Broker: Debug {
    /// What is in the [`SECRET`].
    fn login(&self) -> Value;
    /// `spec.broker` of the pool of this name, which has a queue of its own.
    fn spec(&self, name: &str) -> Value;
    /// Makes the queues of these pools.
    fn declare<'a>(&'a self, names: &'a [String]) -> LocalBoxFuture<'a, Result<()>>;
    /// Puts so many tasks on the queue of a pool; answers when the broker confirmed the last of them.
    fn burst<'a>(&'a self, name: &'a str, tasks: u32) -> LocalBoxFuture<'a, Result<Timestamp>>;
    fn process(&self) -> LocalBoxFuture<'_, Result<Process>>;
    /// Where the operator connects to, and what is spoken there.
    fn ports(&self) -> Vec<(&'static str, u16)>;
    /// The requests that the operator has made.
    fn requests(&self) -> LocalBoxFuture<'_, Result<Requests>>;
    /// So long after the last change its queues are read no more often than at rest.
    fn calm_after(&self) -> Duration;
    /// In which each queue is asked for once at rest.
    fn period(&self) -> Duration;
    fn shut_down(self: Box<Self>) -> LocalBoxFuture<'static, Result<()>>;
}

/// By their kind.
pub type Requests = BTreeMap<String, Counted>;

/// So many until then.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    pub count: f64,
    pub at: Instant,
}

impl Counted {
    fn now(count: f64) -> Self {
        Self { count, at: Instant::now() }
    }
}

/// What a relay has counted.
fn counted(relay: &Relay) -> Requests {
    relay.counts().into_iter().map(|(name, count)| (name, Counted::now(count as f64))).collect()
}

/// Makes all queues, a few at a time.
async fn all(queues: impl Iterator<Item = impl Future<Output = Result<()>>>) -> Result<()> {
    iter(queues).map(Ok).try_for_each_concurrent(AT_ONCE, |queue| queue).await
}

pub async fn start(kind: Kind) -> Result<Box<dyn Broker>> {
    match kind {
        Kind::Rabbitmq => rabbitmq::start().await,
        Kind::Kafka => kafka::start().await,
        Kind::Sqs => sqs::start().await,
    }
}

/// What reading so many pools costs at rest, with the bounds of each broker.
pub fn costs(kind: Kind, pools: usize, rest: &Rest) -> Vec<Row> {
    match kind {
        Kind::Rabbitmq => rabbitmq::costs(rest),
        Kind::Kafka => kafka::costs(pools, rest),
        Kind::Sqs => sqs::costs(pools, rest),
    }
}

/// How soon a burst on a pool at rest should be seen.
pub fn reaction_aim(kind: Kind) -> &'static str {
    match kind {
        Kind::Rabbitmq | Kind::Kafka => "mean ≤ 1 s",
        Kind::Sqs => "≤ 22 s, the period at rest",
    }
}
