//! `spec.broker.kafka`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SecretRef, TlsSecretRef};
use crate::api::schema::rules;

/// Topics of an Apache Kafka cluster, worked on by a consumer group.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::kafka::kafka()))]
pub struct Kafka {
    /// `host:port` of some brokers, which tell all others. Workers get them as AWP_BOOTSTRAP_SERVERS.
    /// Example: [kafka-bootstrap.messaging:9093]
    #[schemars(length(max = 16), inner(length(max = 260)))]
    pub bootstrap_servers: Vec<String>,
    /// The topics to work on. Example: [research_tasks]
    #[schemars(length(max = 16), inner(length(max = 249)))]
    pub topics: Vec<String>,
    /// The consumer group of the workers. Example: research
    #[schemars(length(min = 1, max = 255))]
    pub group: String,
    /// The kind of group. Default: Consumer
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_type: Option<GroupType>,
    /// Where workers begin that find no commit. With Latest the operator commits the end of the topics for a
    /// group that has no members, so that no task is skipped that comes while no worker runs.
    /// Default: Earliest
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_reset: Option<OffsetReset>,
    /// What workers get to see: with ReadCommitted nothing of transactions that are open or were aborted.
    /// Default: ReadCommitted
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// Encrypt. `tls: {}` trusts the system's root certificates. Default: no encryption
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<KafkaTls>,
    /// Log in. Default: no login, or by the client certificate of tls
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sasl: Option<Sasl>,
    /// Where a new group begins, set before its first worker starts: last week's tasks again, with a new
    /// prompt. Refused when the group has commits or members already. It needs minReplicas 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_from: Option<StartFrom>,
}

/// The kind of group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum GroupType {
    #[default]
    Consumer,
}

/// Where consumers begin that find no commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum OffsetReset {
    #[default]
    Earliest,
    Latest,
}

/// What consumers get to see of transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Isolation {
    ReadUncommitted,
    #[default]
    ReadCommitted,
}

/// Encryption.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KafkaTls {
    /// A Secret of the pool's namespace. Keys, all optional: ca.crt (who signed the brokers' certificates),
    /// tls.crt and tls.key (the client's own certificate). PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<TlsSecretRef>,
}

/// A login.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sasl {
    /// How the password is proved. Workers get it as AWP_SASL_MECHANISM. Plain sends it as it is: use it
    /// with tls.
    pub mechanism: Mechanism,
    /// The Secret with user name and password, in the pool's namespace. The operator needs Describe on
    /// the group and the topics, and Read on both to keep the position of a group without members.
    pub secret_ref: SecretRef,
}

/// A SASL mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

/// A place to begin.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StartFrom {
    /// With the first record that is not older. RFC 3339. Example: "2026-11-17T00:00:00Z"
    #[schemars(length(max = 40))]
    pub timestamp: String,
}
