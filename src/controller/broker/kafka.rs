//! Apache Kafka, from a pool's section to what reads it and what workers are told.

use super::{Environment, QueueKey, Reading, Remedies};
use crate::api::names::env;
use crate::api::parsed::{Kafka, Pool};
use crate::api::spec::{self, Isolation, Mechanism, OffsetReset};
use crate::brokers::{Source, kafka};
use crate::controller::secrets::Secrets;
use crate::controller::validate::Refusal;

const REMEDIES: Remedies = Remedies {
    blind: "set worker.statusPort, or have the workers' Kafka clients use AWP_POD as their client.id",
    no_dead_letter: "set deadLetter.queue to a topic: Kafka has no dead letters of its own; `awp worker` does not start \
                     without one",
};

pub fn secrets(kafka: &Kafka) -> Vec<&String> {
    kafka.login().map(|login| &login.secret).into_iter().chain(&kafka.tls_secret).collect()
}

pub fn reading(kafka: &Kafka, pool: &Pool, secrets: Secrets<'_>) -> Result<Reading, Refusal> {
    let login = match &kafka.sasl {
        None => None,
        Some((mechanism, login)) => {
            let (user, password) = secrets.login(login)?;
            Some(kafka::Login { mechanism: sasl(*mechanism), user, password })
        }
    };
    let certificates = secrets.certificates(kafka.tls_secret.as_ref())?;
    let files = kafka::TlsFiles { ca_pem: certificates.ca, client_pem: certificates.client };
    Ok(Reading {
        environment: Environment {
            fixed: told(kafka),
            configured: &[env::DEAD_LETTER],
            tls_secret: kafka.tls_secret.clone(),
        },
        tells_facts: false,
        remedies: REMEDIES,
        source: Source::Kafka(kafka::Source {
            broker: kafka::Identity {
                bootstrap: kafka.bootstrap_servers.clone(),
                encrypted: kafka.encrypted,
                files,
                login,
            },
            wanted: kafka::Wanted {
                group: kafka.group.clone(),
                topics: kafka.topics.clone(),
                reset: match kafka.offset_reset {
                    OffsetReset::Earliest => kafka::OffsetReset::Earliest,
                    OffsetReset::Latest => kafka::OffsetReset::Latest,
                },
                isolation: match kafka.isolation {
                    Isolation::ReadUncommitted => kafka::Isolation::ReadUncommitted,
                    Isolation::ReadCommitted => kafka::Isolation::ReadCommitted,
                },
                start_from: kafka.start_from,
                keeps_position: true,
            },
            dead_letter_topic: pool.dead_letter_queue.clone(),
        }),
    })
}

/// In the words of the pool's section.
fn told(kafka: &Kafka) -> Vec<(&'static str, String)> {
    let mut told = vec![
        (env::BROKER, "kafka".to_owned()),
        (env::BOOTSTRAP_SERVERS, kafka.bootstrap_servers.join(",")),
        (env::TOPICS, kafka.topics.join(",")),
        (env::GROUP, kafka.group.clone()),
        (env::OFFSET_RESET, format!("{:?}", kafka.offset_reset)),
        (env::ISOLATION, format!("{:?}", kafka.isolation)),
    ];
    told.extend(kafka.sasl.as_ref().map(|(mechanism, _)| (env::SASL_MECHANISM, format!("{mechanism:?}"))));
    told.extend(kafka.encrypted.then(|| (env::TLS, "true".to_owned())));
    told
}

fn sasl(mechanism: Mechanism) -> kafka::Mechanism {
    match mechanism {
        Mechanism::Plain => kafka::Mechanism::Plain,
        Mechanism::ScramSha256 => kafka::Mechanism::ScramSha256,
        Mechanism::ScramSha512 => kafka::Mechanism::ScramSha512,
    }
}

/// A group on its topics. Which cluster it is on shows when it is asked; until then its addresses tell.
pub fn queue_key(kafka: &spec::Kafka) -> QueueKey {
    let mut topics = kafka.topics.clone();
    topics.sort();
    let addresses = kafka.bootstrap_servers.iter().map(|address| address.to_lowercase()).collect();
    QueueKey { queue: format!("{}\n{}", kafka.group, topics.join(",")), addresses }
}
