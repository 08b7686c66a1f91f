//! What the demo needs of a broker. A broker is a file beside this one and a line in [`start`].

mod kafka;
mod rabbitmq;
mod sqs;

use std::fmt::Debug;

use anyhow::{Context, Result};
use clap::ValueEnum;
use futures::future::LocalBoxFuture;
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Rabbitmq,
    Sqs,
    Kafka,
}

/// A running broker with a login for the operator and the workers.
pub trait Broker: Debug + Send + Sync {
    /// The pool's manifest, with the addresses of what runs here.
    fn pool(&self) -> Result<Value>;
    /// The Secret that the manifest names; namespace still to be set.
    fn secret(&self) -> Value;
    /// What `awp publish` is told of the broker, its login and the queue.
    fn publish_arguments(&self) -> Vec<String>;
    fn counts(&self) -> LocalBoxFuture<'_, Result<Counts>>;
    /// How a person reaches it; empty if there is nothing to say.
    fn hint(&self) -> String;
    fn shut_down(self: Box<Self>) -> LocalBoxFuture<'static, Result<()>>;
}

/// The broker's own word on how it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting or in flight.
    pub left: u64,
    pub dead_letters: u64,
    /// Tasks given out more than once; 0 where it cannot tell.
    pub redelivered: u64,
}

impl Kind {
    /// On a command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rabbitmq => "rabbitmq",
            Self::Sqs => "sqs",
            Self::Kafka => "kafka",
        }
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rabbitmq => "RabbitMQ",
            Self::Sqs => "ElasticMQ (for Amazon SQS)",
            Self::Kafka => "Apache Kafka",
        }
    }
}

pub async fn start(kind: Kind) -> Result<Box<dyn Broker>> {
    match kind {
        Kind::Rabbitmq => rabbitmq::start().await,
        Kind::Sqs => sqs::start().await,
        Kind::Kafka => kafka::start().await,
    }
}

/// A manifest of `examples/`.
fn manifest(text: &str) -> Result<Value> {
    serde_saphyr::from_str(text).context("the demo's manifest")
}
