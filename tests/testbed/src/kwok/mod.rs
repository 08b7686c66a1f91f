//! kwok: nodes and pods that are only objects, for tests with more pods than a machine can run.
//!
//! A pod is Ready a moment after it is bound, and gone when its grace period is over. Its address is one of loopback
//! where nobody listens, so that whoever asks it is refused at once.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use crate::base::scratch::Scratch;
use crate::base::server::{Server, Spec};
use crate::control_plane::ControlPlane;

const STAGES: &str = include_str!("stages.yaml");
/// Which nodes kwok plays: others may be in the same cluster.
const LABEL: (&str, &str) = ("awp-testbed", "kwok");

/// Fake nodes; they cease to be ready when this is dropped.
#[derive(Debug)]
pub struct Kwok {
    nodes: Vec<String>,
    server: Server,
    scratch: Scratch,
}

impl Kwok {
    /// One node with room for everything.
    pub async fn start(control_plane: &ControlPlane) -> Result<Self> {
        Self::with_nodes(control_plane, 1).await
    }

    /// Nodes `kwok-0`, `kwok-1`, …
    pub async fn with_nodes(control_plane: &ControlPlane, count: u32) -> Result<Self> {
        let scratch = Scratch::new("kwok")?;
        let configuration = scratch.path().join("kwok.yaml");
        std::fs::write(&configuration, format!("{}\n{STAGES}", configuration_document()))?;
        let names: Vec<String> = (0..count).map(|number| format!("kwok-{number}")).collect();
        for name in &names {
            create(&control_plane.admin(), name).await?;
        }
        let kubeconfig = control_plane.kubeconfig_for_user("testbed-kwok", Some("system:masters"))?;
        let spec = Spec::new("kwok", control_plane.program("kwok"))
            .args([format!("--kubeconfig={}", kubeconfig.display()), format!("--config={}", configuration.display())])
            .envs([("HOME", scratch.path())])
            .grace(Duration::from_secs(1));
        let mut server = Server::start(&spec, &scratch)?;
        let nodes = Api::<Node>::all(control_plane.admin());
        server
            .ready_when(Duration::from_secs(60), async || {
                for name in &names {
                    let node = nodes.get(name).await?;
                    ready(&node).then_some(()).with_context(|| format!("node {name} is not Ready"))?;
                }
                Ok(())
            })
            .await?;
        Ok(Self { nodes: names, server, scratch })
    }

    /// Ends it and waits until nothing of it is left; the Node objects stay.
    pub async fn shut_down(self) -> Result<()> {
        drop(self.server);
        self.scratch.finish().await
    }

    /// The folder of its log.
    pub fn logs(&self) -> std::path::PathBuf {
        self.scratch.path().join("logs")
    }

    pub fn nodes(&self) -> &[String] {
        &self.nodes
    }
}

fn configuration_document() -> Value {
    json!({
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "options": {
            "manageNodesWithLabelSelector": format!("{}={}", LABEL.0, LABEL.1),
            "cidr": "127.128.0.0/14",
            "nodeLeaseDurationSeconds": 40,
            // It exits without these.
            "nodeLeaseParallelism": 4,
            "nodePlayStageParallelism": 4,
            "podPlayStageParallelism": 16,
        },
    })
}

/// Creates the node, or takes over the one that an earlier kwok left, whose lease it would otherwise wait for.
async fn create(client: &kube::Client, name: &str) -> Result<()> {
    let leases = Api::<Lease>::namespaced(client.clone(), "kube-node-lease");
    match leases.delete(name, &kube::api::DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        other => drop(other?),
    }
    let room = json!({"cpu": "10k", "memory": "100Ti", "pods": "1M"});
    let info = [
        ("architecture", "amd64"),
        ("operatingSystem", "linux"),
        ("kubeletVersion", "kwok"),
        ("containerRuntimeVersion", "kwok"),
        ("kernelVersion", ""),
        ("kubeProxyVersion", ""),
        ("osImage", ""),
        ("machineID", ""),
        ("systemUUID", ""),
        ("bootID", ""),
    ];
    let info: serde_json::Map<String, Value> =
        info.map(|(key, value)| (key.to_owned(), value.into())).into_iter().collect();
    let node = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {LABEL.0: LABEL.1, "kubernetes.io/hostname": name}},
        "status": {
            "capacity": room,
            "allocatable": room,
            "addresses": [{"type": "Hostname", "address": name}],
            "nodeInfo": info,
        },
    });
    let nodes = Api::<Node>::all(client.clone());
    nodes.patch(name, &PatchParams::apply("awp-testbed"), &Patch::Apply(&node)).await?;
    Ok(())
}

fn ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|it| it.type_ == "Ready" && it.status == "True"))
}
