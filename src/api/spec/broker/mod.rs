//! `spec.broker`: where the tasks wait.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod declare;
mod kafka;
mod rabbitmq;
mod secrets;
mod sqs;

use crate::api::schema::rules;

pub use declare::{Binding, Declare, DeclaredDeadLetter, QueueType};
pub use kafka::{GroupType, Isolation, Kafka, KafkaTls, Mechanism, OffsetReset, Sasl, StartFrom};
pub use rabbitmq::RabbitMq;
pub use secrets::{Credentials, SecretRef, Tls, TlsSecretRef};
pub use sqs::{AwsCredentials, AwsSecretRef, Sqs};

/// Where the tasks wait. Exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::broker()), extend("x-kubernetes-map-type" = "atomic"))]
pub struct Broker {
    /// A queue of a RabbitMQ broker, quorum or classic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rabbitmq: Option<Box<RabbitMq>>,
    /// A queue of Amazon SQS, standard or FIFO.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqs: Option<Box<Sqs>>,
    /// Topics of an Apache Kafka cluster, worked on by a consumer group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka: Option<Box<Kafka>>,
}
