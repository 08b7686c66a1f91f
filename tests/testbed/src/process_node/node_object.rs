//! The Node object and its lease.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::context::{Context, api};

const LEASE_NAMESPACE: &str = "kube-node-lease";
/// As the kubelet: four renewals may fail before the node counts as lost.
const LEASE_SECONDS: u64 = 40;
const RENEW_EVERY: Duration = Duration::from_secs(10);
const TRY_AGAIN: Duration = Duration::from_secs(1);
const WRITER: &str = "process-node";

/// Creates the Node, or takes over one of the same name, and makes it Ready.
pub async fn register(context: &Context) -> Result<(), String> {
    let nodes = Api::<Node>::all(context.client.clone());
    let apply = PatchParams::apply(WRITER).force();
    let node = api(nodes.patch(&context.name, &apply, &Patch::Apply(object(context)))).await?;
    let status = Patch::Strategic(status(context, &node, Timestamp::now()));
    api(nodes.patch_status(&context.name, &PatchParams::default(), &status)).await?;
    Ok(())
}

fn object(context: &Context) -> Value {
    let mut labels = context.labels.clone();
    let own = [("hostname", context.name.as_str()), ("os", "linux"), ("arch", architecture())];
    labels.extend(own.map(|(label, value)| (format!("kubernetes.io/{label}"), value.to_owned())));
    let taint = |(key, value): (&String, &String)| json!({"key": key, "value": value, "effect": "NoSchedule"});
    let taints: Vec<Value> = context.taints.iter().map(taint).collect();
    let mut node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": context.name, "labels": labels}});
    if !taints.is_empty() {
        node["spec"] = json!({ "taints": taints });
    }
    node
}

/// The name that Kubernetes has for the architecture.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn status(context: &Context, node: &Node, now: Timestamp) -> Value {
    let before = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let before: Vec<_> = before.collect();
    let condition = |type_: &str, status: &str, reason: &str, message: &str| {
        let since = before.iter().find(|c| c.type_ == type_ && c.status == status);
        let since = since.and_then(|c| c.last_transition_time.as_ref()).map_or(now, |time| time.0);
        json!({"type": type_, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": now, "lastTransitionTime": since})
    };
    let version = concat!("v", env!("CARGO_PKG_VERSION"), "-process");
    let images: Vec<_> = context.images.references().map(|image| json!({"names": [image], "sizeBytes": 1})).collect();
    json!({"status": {
        "capacity": Context::resources(),
        "allocatable": Context::resources(),
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "conditions": [
            condition("Ready", "True", "ProcessNodeReady", "the process node runs pods as local processes"),
            condition("MemoryPressure", "False", "NotMeasured", "processes share the machine"),
            condition("DiskPressure", "False", "NotMeasured", "processes share the machine"),
            condition("PIDPressure", "False", "NotMeasured", "processes share the machine"),
        ],
        "images": images,
        "nodeInfo": {
            "architecture": architecture(), "operatingSystem": "linux", "osImage": "local processes",
            "kubeletVersion": version, "containerRuntimeVersion": concat!("process://", env!("CARGO_PKG_VERSION")),
            "kubeProxyVersion": "", "kernelVersion": "", "machineID": "", "systemUUID": "", "bootID": "",
        },
    }})
}

/// Renews the lease without end, and registers the node again when it was deleted or declared lost.
pub async fn stay_alive(context: &Context) {
    loop {
        let alive = async {
            renew_lease(context).await?;
            if is_ready(context).await? { Ok(()) } else { register(context).await }
        };
        let pause = match alive.await {
            Ok(()) => RENEW_EVERY,
            Err(error) => {
                tracing::warn!(%error, node = context.name, "the node could not show that it is alive");
                TRY_AGAIN
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn renew_lease(context: &Context) -> Result<(), String> {
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": context.name, "namespace": LEASE_NAMESPACE},
        "spec": {
            "holderIdentity": context.name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": MicroTime(Timestamp::now()),
        },
    });
    let leases = Api::<Lease>::namespaced(context.client.clone(), LEASE_NAMESPACE);
    let apply = PatchParams::apply(WRITER).force();
    api(leases.patch(&context.name, &apply, &Patch::Apply(lease))).await.map(drop)
}

async fn is_ready(context: &Context) -> Result<bool, String> {
    let node = api(Api::<Node>::all(context.client.clone()).get_opt(&context.name)).await?;
    let conditions = node.and_then(|node| node.status).and_then(|status| status.conditions).unwrap_or_default();
    Ok(conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"))
}

/// Takes the node out of the cluster.
pub async fn remove(context: &Context) -> Result<(), String> {
    let foreground = DeleteParams::default();
    let leases = Api::<Lease>::namespaced(context.client.clone(), LEASE_NAMESPACE);
    // The lease alone does no harm; a node without its lease would be declared lost.
    let _ = api(leases.delete(&context.name, &foreground)).await;
    api(Api::<Node>::all(context.client.clone()).delete(&context.name, &foreground)).await.map(drop)
}
