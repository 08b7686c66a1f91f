//! `spec.broker.sqs`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::schema::rules;

/// A queue of Amazon SQS, standard or FIFO.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::sqs::sqs()))]
pub struct Sqs {
    /// The queue's URL, without credentials. Workers get it as AWP_QUEUE_URL.
    /// Example: https://sqs.eu-central-1.amazonaws.com/123456789012/research
    #[schemars(length(min = 1, max = 512))]
    pub queue_url: String,
    /// The queue's region. Default: what the host of queueUrl says. Example: eu-central-1
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub region: Option<String>,
    /// Another server than Amazon's that speaks SQS, or an interface endpoint; `http://` is for local
    /// servers. Default: Amazon's, by region. Example: http://localstack.dev:4566
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub endpoint: Option<String>,
    /// Static keys, for the operator and, unless worker.credentials names others, the workers.
    /// The identity needs sqs:GetQueueAttributes on the queue and on its dead-letter queue.
    /// Without credentials and assumeRoleArn the operator asks by its own AWS identity, where
    /// `awp run --aws-namespaces` allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<AwsCredentials>,
    /// A role that the operator assumes by its own AWS identity, where `awp run --aws-namespaces` allows
    /// it. The external id is CLUSTER/NAMESPACE/POOL; CLUSTER is `awp run --cluster-name`. Workers do not
    /// assume it: they have their ServiceAccount's identity or worker.credentials.
    /// Example: arn:aws:iam::123456789012:role/awp-reader
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub assume_role_arn: Option<String>,
}

/// AWS keys kept in a Secret of the pool's namespace.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AwsCredentials {
    /// The Secret, in the pool's namespace. A change of its content is noticed without a restart.
    pub secret_ref: AwsSecretRef,
}

/// A Secret with AWS keys.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AwsSecretRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key of the access key's id in the Secret. Default: AWS_ACCESS_KEY_ID
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub access_key_id_key: Option<String>,
    /// Key of the secret access key in the Secret. Default: AWS_SECRET_ACCESS_KEY
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_access_key_key: Option<String>,
    /// Key of the session token in the Secret, which only temporary keys have: it may be missing there.
    /// Default: AWS_SESSION_TOKEN
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub session_token_key: Option<String>,
}
