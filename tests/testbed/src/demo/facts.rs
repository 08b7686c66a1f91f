//! What is the case right now: objects from the API server, readings from the operator's metrics, because its status
//! tells those only now and then.

use anyhow::Result;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, ResourceExt};
use serde_json::Value;

use super::stage::{POOL, Stage};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    pub ready: Option<u64>,
    pub in_flight: Option<u64>,
    /// `spec.replicas` of the Deployment.
    pub replicas: i32,
    /// Tasks one worker holds at once.
    pub slots: u64,
    pub bound_by: String,
    pub reason: String,
    /// The replicas that the reason speaks of: status is written after them.
    pub explained: i32,
    pub pods: Vec<PodFacts>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFacts {
    pub name: String,
    pub ready: bool,
    pub terminating: bool,
}

impl Facts {
    pub async fn gather(stage: &Stage<'_>) -> Result<Self> {
        let client = stage.access().admin();
        let kind = ApiResource {
            group: "agentworkers.io".into(),
            version: "v1alpha1".into(),
            api_version: "agentworkers.io/v1alpha1".into(),
            kind: "AgentWorkerPool".into(),
            plural: "agentworkerpools".into(),
        };
        let pools: Api<DynamicObject> = Api::namespaced_with(client.clone(), stage.namespace(), &kind);
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), stage.namespace());
        let pods: Api<Pod> = Api::namespaced(client, stage.namespace());
        let everything = ListParams::default();
        let (pool, deployment, pods) =
            futures::try_join!(pools.get(POOL), deployments.get_opt(POOL), pods.list(&everything))?;
        let metrics = stage.operator.admin("/metrics").await?;
        let known = gauge(&metrics, "awp_backlog_known") == Some(1);
        let reading = |name: &str| gauge(&metrics, name).filter(|_| known);
        let status = &pool.data["status"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Self {
            ready: reading("awp_queue_ready"),
            in_flight: reading("awp_queue_in_flight"),
            replicas: deployment.and_then(|deployment| deployment.spec?.replicas).unwrap_or(0),
            slots: status["prefetch"].as_u64().unwrap_or(1),
            bound_by: text(&status["decision"]["boundBy"]),
            reason: text(&status["decision"]["reason"]),
            explained: status["replicas"].as_i64().and_then(|replicas| replicas.try_into().ok()).unwrap_or(0),
            pods: pods.items.iter().map(pod_facts).collect(),
        })
    }

    pub fn ready_pods(&self) -> usize {
        self.pods.iter().filter(|pod| pod.ready && !pod.terminating).count()
    }
}

/// A whole number of the demo's only pool, in Prometheus' text format.
fn gauge(metrics: &str, name: &str) -> Option<u64> {
    let line = metrics.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn pod_facts(pod: &Pod) -> PodFacts {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    PodFacts {
        name: pod.name_any(),
        ready: conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"),
        terminating: pod.metadata.deletion_timestamp.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_is_found_by_its_whole_name() {
        let metrics =
            "# HELP x y\nawp_queue_ready_total{pool=\"p\"} 9\nawp_queue_ready{namespace=\"a\",pool=\"p\"} 37\n";
        assert_eq!(gauge(metrics, "awp_queue_ready"), Some(37));
        assert_eq!(gauge(metrics, "awp_queue"), None);
    }
}
