//! What a pool's broker section means here. Nothing else in the controller tells brokers apart: a
//! broker is a file beside this one, and one line in each match.

mod kafka;
mod rabbitmq;
mod sqs;

use std::collections::BTreeSet;

use super::build::SecretKeys;
use super::secrets::Secrets;
use super::validate::Refusal;
use super::world::PoolKey;
use crate::api::parsed::{Broker, Pool, WorkerLogin};
use crate::api::spec;
use crate::brokers::{DeadLetterTarget, Source};

/// One broker's side of a plan.
#[derive(Debug)]
pub struct Reading {
    pub source: Source,
    /// What its workers are told of it.
    pub environment: Environment,
    /// Whether the broker can tell the dead-letter target, sooner or later.
    pub tells_facts: bool,
    pub remedies: Remedies,
}

/// The pool that wants to read, and what the operator allows it.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    pub key: &'a PoolKey,
    pub secrets: Secrets<'a>,
    pub aws: &'a AwsPolicy,
}

/// Who may use the operator's own AWS identity: it can read what its owner may read, whoever asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsPolicy {
    pub namespaces: BTreeSet<String>,
    /// The first part of the external id of roles that are assumed.
    pub cluster: String,
}

/// The part of the worker contract that differs by broker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Environment {
    /// Variables with fixed values, in their order.
    pub fixed: Vec<(&'static str, String)>,
    /// Variables that come from the pool's ConfigMap, because they may change while workers run.
    pub configured: &'static [&'static str],
    pub tls_secret: Option<String>,
}

/// What to do, in the words of this broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remedies {
    /// No source tells which workers are busy.
    pub blind: &'static str,
    /// There is no dead-letter target.
    pub no_dead_letter: &'static str,
}

/// The Secrets that reading needs, by name.
pub fn secrets(broker: &Broker) -> Vec<&String> {
    match broker {
        Broker::RabbitMq(rabbitmq) => rabbitmq::secrets(rabbitmq),
        Broker::Sqs(sqs) => sqs::secrets(sqs),
        Broker::Kafka(kafka) => kafka::secrets(kafka),
    }
}

/// How to read, and what workers are told.
pub fn reading(pool: &Pool, asker: &Asker<'_>) -> Result<Reading, Refusal> {
    match &pool.broker {
        Broker::RabbitMq(rabbitmq) => rabbitmq::reading(rabbitmq, pool, asker.secrets),
        Broker::Sqs(sqs) => sqs::reading(sqs, pool, asker),
        Broker::Kafka(kafka) => kafka::reading(kafka, pool, asker.secrets),
    }
}

/// What a pool takes from, for telling who shares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueKey {
    /// The queue on its broker, in one text that is the same for all pools that take from it.
    pub queue: String,
    /// Of the broker; any of them leads to it.
    pub addresses: BTreeSet<String>,
}

/// `None` where the section names no queue.
pub fn queue_key(broker: &spec::Broker) -> Option<QueueKey> {
    let sqs = || broker.sqs.as_deref().map(sqs::queue_key);
    let kafka = || broker.kafka.as_deref().map(kafka::queue_key);
    broker.rabbitmq.as_deref().and_then(rabbitmq::queue_key).or_else(sqs).or_else(kafka)
}

/// Where dead letters go that the user wants in `queue`.
pub fn dead_letter_target(broker: &Broker, queue: &str) -> DeadLetterTarget {
    match broker {
        Broker::RabbitMq(_) => rabbitmq::dead_letter_target(queue),
        Broker::Sqs(_) | Broker::Kafka(_) => DeadLetterTarget::Queue(queue.to_owned()),
    }
}

/// The workers' login as files in a folder of theirs.
pub fn worker_credentials(login: &WorkerLogin) -> SecretKeys {
    match login {
        WorkerLogin::Password(login) => SecretKeys::login(login),
        WorkerLogin::AwsKeys(keys) => sqs::worker_credentials(keys),
    }
}
