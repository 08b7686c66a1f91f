//! RabbitMQ, from a pool's section to what reads it and what workers are told.

use super::{Environment, QueueKey, Reading, Remedies};
use crate::api::names::{env, reasons};
use crate::api::parsed::{Declare, Pool, RabbitMq};
use crate::api::spec;
use crate::brokers::{DeadLetterTarget, Source, rabbitmq};
use crate::controller::secrets::Secrets;
use crate::controller::validate::Refusal;

const REMEDIES: Remedies = Remedies {
    blind: "set worker.statusPort, or give the operator's broker login the tag monitoring and set managementUri",
    no_dead_letter: "neither the queue's arguments nor its policy name a dead-letter exchange: set deadLetter.queue, or \
                     x-dead-letter-exchange on the queue; `awp worker` does not start without one",
};

pub fn secrets(rabbitmq: &RabbitMq) -> Vec<&String> {
    rabbitmq.login.iter().map(|login| &login.secret).chain(&rabbitmq.tls_secret).collect()
}

pub fn reading(rabbitmq: &RabbitMq, pool: &Pool, secrets: Secrets<'_>) -> Result<Reading, Refusal> {
    let (username, password) = match &rabbitmq.login {
        // RabbitMQ's own default, which it accepts from its own host only.
        None => ("guest".to_owned(), "guest".to_owned()),
        Some(login) => secrets.login(login)?,
    };
    let certificates = secrets.certificates(rabbitmq.tls_secret.as_ref())?;
    let management = rabbitmq.management_uri.as_deref();
    let broker =
        rabbitmq::Identity::new(&rabbitmq.uri, management, username, password, certificates.ca, certificates.client)
            .map_err(|wrong| Refusal::wrong(reasons::INVALID_SPEC, wrong.message))?;
    Ok(Reading {
        environment: Environment {
            fixed: vec![
                (env::BROKER, "rabbitmq".to_owned()),
                // As the operator itself reads it: clients disagree about a bare slash and about IPv6 addresses.
                (env::URI, broker.uri.clone()),
                (env::QUEUE, rabbitmq.queue.clone()),
            ],
            configured: &[env::DEAD_LETTER_EXCHANGE, env::DEAD_LETTER_ROUTING_KEY],
            tls_secret: rabbitmq.tls_secret.clone(),
        },
        tells_facts: management.is_some() || rabbitmq.declare.is_some(),
        remedies: REMEDIES,
        source: Source::RabbitMq(rabbitmq::Source {
            broker,
            queue: rabbitmq.queue.clone(),
            dead_letter_queue: pool.dead_letter_queue.clone(),
            declare: rabbitmq.declare.as_ref().map(|declare| wish(declare, pool.task_timeout)),
        }),
    })
}

fn wish(declare: &Declare, task_timeout: f64) -> rabbitmq::Declare {
    let quorum = declare.queue_type == spec::QueueType::Quorum;
    let millis = |seconds: f64| (seconds * 1000.0).round() as u64;
    rabbitmq::Declare {
        queue_type: if quorum { rabbitmq::QueueType::Quorum } else { rabbitmq::QueueType::Classic },
        max_priority: declare.max_priority,
        message_ttl: declare.message_ttl.map(millis),
        // A worker that holds a task for longer than the task may run has lost it; the broker's own 30 min would take
        // long tasks away from workers that are busy with them. Newer brokers refuse it on classic queues.
        consumer_timeout: quorum.then(|| millis(2.0 * task_timeout)),
        bindings: declare
            .bindings
            .iter()
            .map(|spec::Binding { exchange, routing_key }| rabbitmq::Binding {
                exchange: exchange.clone(),
                routing_key: routing_key.clone(),
            })
            .collect(),
        dead_letter: declare.dead_letter.as_ref().map(|to| rabbitmq::DeadLetter {
            exchange: to.exchange.clone(),
            routing_key: to.routing_key.clone(),
            queue: to.queue.clone(),
        }),
    }
}

/// Hosts do not care for case.
pub fn queue_key(rabbitmq: &spec::RabbitMq) -> Option<QueueKey> {
    let address = rabbitmq.uri.trim_end_matches('/').to_lowercase();
    Some(QueueKey { queue: rabbitmq.queues.first()?.clone(), addresses: [address].into() })
}

/// Through the default exchange, which routes by the name of a queue.
pub fn dead_letter_target(queue: &str) -> DeadLetterTarget {
    DeadLetterTarget::Exchange { exchange: String::new(), routing_key: queue.to_owned(), queue: Some(queue.to_owned()) }
}
