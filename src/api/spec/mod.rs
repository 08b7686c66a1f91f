//! What a user writes.
//!
//! The doc comments are the descriptions that `kubectl explain` prints: they state unit, default
//! and an example. No field has a schema default: in or below a one-of, a persisted default makes
//! switching members fail. Defaults are applied by [`super::settings`] alone.

#![expect(clippy::doc_markdown, reason = "kubectl prints the text as it stands, backticks included")]

mod broker;
mod scaling;
mod worker;

pub use broker::{
    AwsCredentials, AwsSecretRef, Binding, Broker, Credentials, Declare, DeclaredDeadLetter, GroupType, Isolation,
    Kafka, KafkaTls, Mechanism, OffsetReset, QueueType, RabbitMq, Sasl, SecretRef, Sqs, StartFrom, Tls, TlsSecretRef,
};
pub use scaling::{AutoPrefetch, DeadLetter, Drain, Fallback, Mode, Prefetch, Scaling};
pub use worker::{TargetRef, Worker};

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::rules;
use super::status::AgentWorkerPoolStatus;

/// What the pool reads, what it runs, and within which limits.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[kube(
    group = "agentworkers.io",
    version = "v1alpha1",
    kind = "AgentWorkerPool",
    shortname = "awp",
    namespaced,
    status = "AgentWorkerPoolStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "A pool of workers for the tasks of one queue. The operator decides how many workers run, so that a \
           task starts within spec.scaling.startWithin, and never stops one that is busy.",
    scale(
        spec_replicas_path = ".spec.scaling.holdReplicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::spec()))]
pub struct AgentWorkerPoolSpec {
    /// Where the tasks wait. Exactly one member: rabbitmq, sqs or kafka.
    pub broker: Broker,
    /// Who does the tasks: exactly one of template and targetRef. A pool cannot change from one to
    /// the other.
    pub worker: Worker,
    /// How many tasks one worker holds at once: exactly one of auto and fixed.
    /// Default: auto, from the memory limit of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefetch: Option<Prefetch>,
    /// How many workers may run, and how soon a task should start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    /// How long a busy worker may take to finish before the pool mentions it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Drain>,
    /// Where failed tasks end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<DeadLetter>,
}
