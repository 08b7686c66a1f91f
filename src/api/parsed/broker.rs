//! `spec.broker`, understood: one variant and one file per broker.

use super::super::invalid::Invalid;
use super::super::names::secret_keys;
use super::super::spec;
use super::rabbitmq::RabbitMq;

#[derive(Clone, Debug, PartialEq)]
pub enum Broker {
    RabbitMq(RabbitMq),
}

/// Where a user name and a password are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Login {
    pub secret: String,
    pub username_key: String,
    pub password_key: String,
}

impl TryFrom<&spec::Broker> for Broker {
    type Error = Invalid;

    fn try_from(broker: &spec::Broker) -> Result<Self, Invalid> {
        match (&broker.rabbitmq, &broker.sqs, &broker.kafka) {
            (Some(rabbitmq), None, None) => Ok(Self::RabbitMq(rabbitmq.try_into()?)),
            (None, Some(_), None) => Err(Invalid::new("spec.broker.sqs", "write rabbitmq: SQS cannot be read yet")),
            (None, None, Some(_)) => Err(Invalid::new("spec.broker.kafka", "write rabbitmq: Kafka cannot be read yet")),
            _ => Err(Invalid::new("spec.broker", "write exactly one of rabbitmq, sqs and kafka")),
        }
    }
}

impl Broker {
    /// The operator's login, which is the workers' too unless they have their own.
    pub fn login(&self) -> Option<&Login> {
        match self {
            Self::RabbitMq(rabbitmq) => rabbitmq.login.as_ref(),
        }
    }

    /// Whether the section itself says where dead letters go.
    pub fn declares_dead_letters(&self) -> bool {
        match self {
            Self::RabbitMq(rabbitmq) => rabbitmq.declare.is_some(),
        }
    }

    /// Whether tasks are taken from what is called `name`.
    pub fn takes_from(&self, name: &str) -> bool {
        match self {
            Self::RabbitMq(rabbitmq) => rabbitmq.queue == name,
        }
    }
}

impl From<&spec::Credentials> for Login {
    fn from(credentials: &spec::Credentials) -> Self {
        let spec::SecretRef { name, username_key, password_key } = credentials.secret_ref.clone();
        Self {
            secret: name,
            username_key: username_key.unwrap_or_else(|| secret_keys::USERNAME.to_owned()),
            password_key: password_key.unwrap_or_else(|| secret_keys::PASSWORD.to_owned()),
        }
    }
}
