//! What is the case right now, from the API server.

use anyhow::Result;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, ResourceExt};
use serde_json::Value;

use super::stage::{NAMESPACE, POOL, Stage};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    pub ready: Option<u64>,
    pub in_flight: Option<u64>,
    pub wanted: u64,
    pub granted: u64,
    /// `spec.replicas` of the Deployment.
    pub replicas: i32,
    pub bound_by: String,
    pub reason: String,
    pub pods: Vec<PodFacts>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFacts {
    pub name: String,
    pub ready: bool,
    pub terminating: bool,
}

impl Facts {
    pub async fn gather(stage: &Stage) -> Result<Self> {
        let client = stage.control_plane.admin();
        let kind = ApiResource {
            group: "agentworkers.io".into(),
            version: "v1alpha1".into(),
            api_version: "agentworkers.io/v1alpha1".into(),
            kind: "AgentWorkerPool".into(),
            plural: "agentworkerpools".into(),
        };
        let pools: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &kind);
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
        let pods: Api<Pod> = Api::namespaced(client, NAMESPACE);
        let (pool, deployment, pods) = futures::try_join!(pools.get(POOL), deployments.get_opt(POOL), async {
            pods.list(&ListParams::default()).await
        },)?;
        let status = &pool.data["status"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Self {
            ready: status["backlog"]["ready"].as_u64(),
            in_flight: status["backlog"]["inFlight"].as_u64(),
            wanted: status["decision"]["wanted"].as_u64().unwrap_or(0),
            granted: status["decision"]["granted"].as_u64().unwrap_or(0),
            replicas: deployment.and_then(|deployment| deployment.spec?.replicas).unwrap_or(0),
            bound_by: text(&status["decision"]["boundBy"]),
            reason: text(&status["decision"]["reason"]),
            pods: pods.items.iter().map(pod_facts).collect(),
        })
    }

    pub fn ready_pods(&self) -> usize {
        self.pods.iter().filter(|pod| pod.ready && !pod.terminating).count()
    }
}

fn pod_facts(pod: &Pod) -> PodFacts {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    PodFacts {
        name: pod.name_any(),
        ready: conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"),
        terminating: pod.metadata.deletion_timestamp.is_some(),
    }
}
