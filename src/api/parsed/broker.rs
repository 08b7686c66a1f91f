//! `spec.broker`, understood: one variant and one file per broker.

use super::super::invalid::Invalid;
use super::super::names::secret_keys;
use super::super::spec;
use super::kafka::Kafka;
use super::rabbitmq::RabbitMq;
use super::sqs::{AwsKeys, Sqs};

#[derive(Clone, Debug, PartialEq)]
pub enum Broker {
    RabbitMq(RabbitMq),
    Sqs(Sqs),
    Kafka(Kafka),
}

/// Where a user name and a password are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Login {
    pub secret: String,
    pub username_key: String,
    pub password_key: String,
}

/// What workers log in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerLogin {
    Password(Login),
    AwsKeys(AwsKeys),
}

impl WorkerLogin {
    /// The Secret's name.
    pub fn secret(&self) -> &String {
        match self {
            Self::Password(login) => &login.secret,
            Self::AwsKeys(keys) => &keys.secret,
        }
    }
}

impl TryFrom<&spec::Broker> for Broker {
    type Error = Invalid;

    fn try_from(broker: &spec::Broker) -> Result<Self, Invalid> {
        match (broker.rabbitmq.as_deref(), broker.sqs.as_deref(), broker.kafka.as_deref()) {
            (Some(rabbitmq), None, None) => Ok(Self::RabbitMq(rabbitmq.try_into()?)),
            (None, Some(sqs), None) => Ok(Self::Sqs(sqs.try_into()?)),
            (None, None, Some(kafka)) => Ok(Self::Kafka(kafka.try_into()?)),
            _ => Err(Invalid::new("spec.broker", "write exactly one of rabbitmq, sqs and kafka")),
        }
    }
}

impl Broker {
    /// The workers' login: their own, else the operator's.
    pub fn worker_login(&self, own: Option<&spec::Credentials>) -> Option<WorkerLogin> {
        match self {
            Self::RabbitMq(rabbitmq) => {
                own.map(Login::from).or_else(|| rabbitmq.login.clone()).map(WorkerLogin::Password)
            }
            Self::Kafka(kafka) => own.map(Login::from).or_else(|| kafka.login().cloned()).map(WorkerLogin::Password),
            Self::Sqs(sqs) => {
                let own = own.map(|credentials| AwsKeys::in_secret(credentials.secret_ref.name.clone()));
                own.or_else(|| sqs.keys().cloned()).map(WorkerLogin::AwsKeys)
            }
        }
    }

    /// Whether the section itself says where dead letters go.
    pub fn declares_dead_letters(&self) -> bool {
        match self {
            Self::RabbitMq(rabbitmq) => rabbitmq.declare.is_some(),
            Self::Sqs(_) | Self::Kafka(_) => false,
        }
    }

    /// Whether tasks are taken from what is called `name`.
    pub fn takes_from(&self, name: &str) -> bool {
        match self {
            Self::RabbitMq(rabbitmq) => rabbitmq.queue == name,
            Self::Sqs(sqs) => sqs.queue_url == name.trim_end_matches('/'),
            Self::Kafka(kafka) => kafka.topics.iter().any(|topic| topic == name),
        }
    }
}

impl From<&spec::Credentials> for Login {
    fn from(credentials: &spec::Credentials) -> Self {
        Self::from(&credentials.secret_ref)
    }
}

impl From<&spec::SecretRef> for Login {
    fn from(secret: &spec::SecretRef) -> Self {
        let spec::SecretRef { name, username_key, password_key } = secret.clone();
        Self {
            secret: name,
            username_key: username_key.unwrap_or_else(|| secret_keys::USERNAME.to_owned()),
            password_key: password_key.unwrap_or_else(|| secret_keys::PASSWORD.to_owned()),
        }
    }
}
