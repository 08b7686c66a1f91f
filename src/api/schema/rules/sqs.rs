//! `spec.broker.sqs`.

use kube::core::Rule;

use super::{forbidden, required};
use crate::api::uri;

/// About addresses, which may hold credentials: no rule on the strings themselves.
pub fn sqs() -> Vec<Rule> {
    const NO_CREDENTIALS: &str =
        "write it without credentials, which belong in the Secret named by credentials.secretRef.name";
    vec![
        forbidden("!self.queueUrl.contains('@')", NO_CREDENTIALS).field_path(".queueUrl"),
        forbidden(
            format!("self.queueUrl.contains('@') || self.queueUrl.matches(r'{}')", uri::SQS_QUEUE),
            uri::SQS_QUEUE_REMEDY,
        )
        .field_path(".queueUrl"),
        forbidden("!has(self.endpoint) || !self.endpoint.contains('@')", NO_CREDENTIALS).field_path(".endpoint"),
        forbidden(
            format!(
                "!has(self.endpoint) || self.endpoint.contains('@') || self.endpoint.matches(r'{}')",
                uri::SQS_ENDPOINT
            ),
            uri::SQS_ENDPOINT_REMEDY,
        )
        .field_path(".endpoint"),
        required(
            format!("has(self.endpoint) || self.queueUrl.matches(r'{}')", uri::SQS_ON_AWS),
            "write the server's address too, such as http://localstack.dev:4566: queueUrl is not on an https host of \
             Amazon's",
        )
        .field_path(".endpoint"),
        required(
            format!("has(self.region) || self.queueUrl.matches(r'{}')", uri::SQS_TELLS_REGION),
            "write the queue's region, such as eu-central-1: the host of queueUrl does not tell it",
        )
        .field_path(".region"),
        forbidden(
            format!("!has(self.region) || self.region.matches(r'{}')", uri::AWS_REGION),
            "write a region's short name, such as eu-central-1",
        )
        .field_path(".region"),
        forbidden(
            format!(
                "!has(self.region) || !self.queueUrl.matches(r'{}') || self.queueUrl.contains(self.region + '.')",
                uri::SQS_TELLS_REGION
            ),
            "leave it out, or write the region that queueUrl is in: requests to another one find no such queue",
        )
        .field_path(".region"),
        forbidden(
            "!has(self.credentials) || !has(self.assumeRoleArn)",
            "leave out credentials or assumeRoleArn: a role is assumed by the operator's own AWS identity",
        )
        .field_path(".assumeRoleArn"),
        forbidden(
            format!("!has(self.assumeRoleArn) || self.assumeRoleArn.matches(r'{}')", uri::AWS_ROLE),
            "write the role's ARN, such as arn:aws:iam::123456789012:role/awp-reader",
        )
        .field_path(".assumeRoleArn"),
    ]
}
