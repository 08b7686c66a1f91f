//! `spec.broker.rabbitmq.declare`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::schema::{self, declare_rules};

/// Queues and exchanges that the operator creates where they are missing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = declare_rules::declare()))]
pub struct Declare {
    /// Quorum (replicated) or Classic. Default: Quorum
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_: Option<QueueType>,
    /// How many priorities a classic queue tells apart, 1 to 255; RabbitMQ advises at most 10.
    /// Quorum queues have priorities of their own. Default: none
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 255))]
    pub max_priority: Option<u8>,
    /// How long a task may wait before the broker removes it, to the dead-letter exchange if there
    /// is one. A duration. Default: for ever
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub message_ttl: Option<String>,
    /// What reaches the queue by exchanges. Default: only what is published to it by its name
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub bindings: Vec<Binding>,
    /// Where tasks go that failed for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<DeclaredDeadLetter>,
}

/// The kind of queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum QueueType {
    #[default]
    Quorum,
    Classic,
}

/// A way into the queue.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = declare_rules::binding()))]
pub struct Binding {
    /// The exchange. One that exists is used whatever its type; a missing one is created as a
    /// durable topic exchange. Example: agent_tasks
    #[schemars(length(max = 255))]
    pub exchange: String,
    /// What the exchange compares with a message's routing key: for a topic exchange words between
    /// dots, `*` for any one word, `#` for any number. Example: research.#
    #[schemars(length(max = 255))]
    pub routing_key: String,
}

/// Where tasks go that failed for good.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = declare_rules::dead_letter()))]
pub struct DeclaredDeadLetter {
    /// The exchange that gets them. One that exists is used whatever its type; a missing one is
    /// created as a durable direct exchange. Example: agent_dlx
    #[schemars(length(max = 255))]
    pub exchange: String,
    /// The routing key they get and by which the queue below is bound. Default: the name of that queue
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub routing_key: Option<String>,
    /// The queue that keeps them. One that exists is used as it is; a missing one is created with
    /// the same type as the pool's own. Example: failed_tasks
    #[schemars(length(max = 255))]
    pub queue: String,
}
