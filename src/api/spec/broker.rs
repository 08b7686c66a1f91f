//! `spec.broker`: where the tasks wait.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::schema::{self, rules};

/// Where the tasks wait. Exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::broker()), extend("x-kubernetes-map-type" = "atomic"))]
pub struct Broker {
    /// A queue of a RabbitMQ broker, quorum or classic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rabbitmq: Option<RabbitMq>,
    /// Amazon SQS. This version cannot read it: a pool that names it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::unreadable")]
    pub sqs: Option<Value>,
    /// Apache Kafka. This version cannot read it: a pool that names it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::unreadable")]
    pub kafka: Option<Value>,
}

/// A queue of a RabbitMQ broker.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::rabbitmq()))]
pub struct RabbitMq {
    /// `amqp://host[:port][/vhost]`, or amqps for TLS, without credentials and without query.
    /// Default port: 5672, with amqps 5671. The vhost is percent-encoded (a slash inside its name is %2F);
    /// without one it is the vhost `/`. Workers get it as AWP_URI.
    /// Example: amqps://rabbitmq.messaging:5671/agents
    #[schemars(length(min = 1, max = 1100))]
    pub uri: String,
    /// `http[s]://host:port` of the management API, without credentials; several nodes of one
    /// cluster separated by commas, tried in this order. With it the operator sees tasks in process;
    /// without it only workers that set statusPort tell.
    /// Example: https://rabbitmq.messaging:15671
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1100))]
    pub management_uri: Option<String>,
    /// The operator's login. It needs the tag management (monitoring, to see which worker holds
    /// what) and a permission row in the vhost, whose three patterns may all be `^$`.
    /// Without it guest is tried, which RabbitMQ accepts from its own host only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// A private CA or a client certificate. It demands amqps, and https where managementUri is
    /// given. With amqps and without it the system's root certificates decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// The queue to work on: exactly one, at most 255 bytes long, not starting with `amq.`.
    /// Example: [research_tasks]
    #[schemars(length(max = 16), inner(length(max = 255)))]
    pub queues: Vec<String>,
}

/// A login kept in a Secret of the pool's namespace.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// The Secret, in the pool's namespace. A change of its content is noticed without a restart.
    pub secret_ref: SecretRef,
}

/// A Secret with a user name and a password.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key of the user name in the Secret. Default: username
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub username_key: Option<String>,
    /// Key of the password in the Secret. Default: password
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub password_key: Option<String>,
}

/// Certificates for the broker.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// The Secret, in the pool's namespace. Keys, all optional: ca.crt (who signed the broker's
    /// certificate), tls.crt and tls.key (the client's own certificate). PEM.
    pub secret_ref: TlsSecretRef,
}

/// A Secret with certificates.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsSecretRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}
