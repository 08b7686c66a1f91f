//! `spec.worker`: who does the tasks.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Credentials;
use crate::api::schema::{self, pod_template, rules};

/// Who does the tasks: exactly one of template and targetRef.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::worker()))]
pub struct Worker {
    /// A pod template, as in a Deployment (`kubectl explain deployment.spec.template`). The operator
    /// owns a Deployment named after the pool. At most 16 containers, 16 init containers, 128
    /// volumes, and 128 variables and mounts per container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "pod_template::schema")]
    pub template: Option<Box<PodTemplateSpec>>,
    /// A Deployment that someone else owns: the operator writes its scale and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_ref: Option<TargetRef>,
    /// The container that consumes the queue; with template it gets the AWP_ environment.
    /// Default: the first container
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub container: Option<String>,
    /// The container whose memory limit decides prefetch. Default: the same as container
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub memory_container: Option<String>,
    /// The workers' broker login, mounted as files `username` and `password` in AWP_CREDENTIALS_DIR.
    /// With template only. Default: the broker's credentials
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// Port of the worker's status endpoint (GET /status), 1 to 65535. `awp worker` serves it. With
    /// it the operator knows which workers are idle at once; without it the broker has to tell.
    /// Default: no endpoint. Example: 9464
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub status_port: Option<u16>,
    /// How long one task may run; `awp worker` ends a longer one and dead-letters it. At most
    /// drain.timeout. With template only. A duration. Default: drain.timeout. Example: 25m
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub task_timeout: Option<String>,
}

/// A Deployment in the pool's namespace.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::target_ref()))]
pub struct TargetRef {
    /// apps/v1
    #[schemars(length(min = 1, max = 63))]
    pub api_version: String,
    /// Deployment
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Name of the Deployment, in the pool's namespace.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}
