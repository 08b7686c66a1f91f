//! `spec.broker.rabbitmq`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Credentials, Declare, Tls};
use crate::api::schema::rules;

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
    /// Queues and exchanges that the operator creates where they are missing, with its own login.
    /// It never deletes or changes any: a queue that exists with other arguments is left as it is,
    /// and the condition TopologyDeclared says what differs. Without it nothing is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declare: Option<Declare>,
}
