//! What the node tells the API server about a pod.

use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::context::{Context, bounded};

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// There is no such pod any more.
    Gone,
    /// To be tried again.
    Failed,
}

/// Writes the status. Conditions and addresses are merged with what others wrote, container states are replaced.
pub async fn status(context: &Context, pod: &Pod, status: &PodStatus) -> Outcome {
    let Ok(mut status) = serde_json::to_value(status) else { return Outcome::Failed };
    if let Value::Object(status) = &mut status {
        // A merge keeps what it does not name.
        for cleared in ["reason", "message"] {
            status.entry(cleared).or_insert(Value::Null);
        }
        // A restarted node gives the pod another address; merged, the old one would stay beside it.
        if let Some(Value::Array(addresses)) = status.get_mut("podIPs") {
            addresses.push(json!({"$patch": "replace"}));
        }
    }
    let patch = json!({"metadata": {"uid": pod.uid()}, "status": status});
    let pods = pods(context, pod);
    outcome(pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Strategic(patch)), &[404]).await
}

/// Removes the object of a pod whose processes are gone.
pub async fn delete(context: &Context, pod: &Pod) -> Outcome {
    let params = DeleteParams {
        grace_period_seconds: Some(0),
        preconditions: Some(Preconditions { uid: pod.uid(), resource_version: None }),
        ..DeleteParams::default()
    };
    // 409: another pod has the name, the precondition does not hold.
    outcome(pods(context, pod).delete(&pod.name_any(), &params), &[404, 409]).await
}

fn pods(context: &Context, pod: &Pod) -> Api<Pod> {
    Api::namespaced(context.client.clone(), &pod.namespace().unwrap_or_default())
}

async fn outcome<T>(call: impl Future<Output = Result<T, kube::Error>>, gone: &[u16]) -> Outcome {
    match bounded(call).await {
        Some(Ok(_)) => Outcome::Done,
        Some(Err(kube::Error::Api(refusal))) if gone.contains(&refusal.code) => Outcome::Gone,
        Some(Err(error)) => {
            tracing::warn!(%error, "the API server did not take a write of the process node");
            Outcome::Failed
        }
        None => Outcome::Failed,
    }
}
