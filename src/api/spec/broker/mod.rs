//! `spec.broker`: where the tasks wait.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod declare;
mod rabbitmq;
mod secrets;
mod sqs;

use crate::api::schema::{self, rules};

pub use declare::{Binding, Declare, DeclaredDeadLetter, QueueType};
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
    pub rabbitmq: Option<RabbitMq>,
    /// A queue of Amazon SQS, standard or FIFO.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqs: Option<Sqs>,
    /// Apache Kafka. This version cannot read it: a pool that names it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::unreadable")]
    pub kafka: Option<Value>,
}
