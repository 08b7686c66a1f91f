//! Objects as the caches hold them: a thousand pools are mostly what nobody here reads.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus, ReplicaSet};
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, PodSpec, PodStatus, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::error_boundary::InvalidObject;
use kube::core::{DeserializeGuard, NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::watcher::{Event, Result};
use kube::{Resource, ResourceExt};
use serde::{Deserialize, Deserializer};

use crate::api::AgentWorkerPool;
use crate::api::names::{annotations, labels};

/// A pool as the API server has it: one that cannot be decoded is known by its metadata and stops nobody else.
#[derive(Clone, Debug)]
pub struct ListedPool(pub std::result::Result<Arc<AgentWorkerPool>, InvalidObject>);

impl<'de> Deserialize<'de> for ListedPool {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let DeserializeGuard(pool) = DeserializeGuard::<AgentWorkerPool>::deserialize(deserializer)?;
        Ok(Self(pool.map(Arc::new)))
    }
}

impl Resource for ListedPool {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        AgentWorkerPool::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        AgentWorkerPool::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        AgentWorkerPool::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        AgentWorkerPool::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        match &self.0 {
            Ok(pool) => &pool.metadata,
            Err(invalid) => &invalid.metadata,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match &mut self.0 {
            Ok(pool) => &mut Arc::make_mut(pool).metadata,
            Err(invalid) => &mut invalid.metadata,
        }
    }
}

/// Each object of a watch, cut down by `cut`.
pub fn cut_down<K>(
    stream: impl Stream<Item = Result<Event<K>>> + Send,
    cut: fn(&mut K),
) -> impl Stream<Item = Result<Event<K>>> + Send
where
    K: Send,
{
    stream.map(move |event| event.map(|event| event.modify(cut)))
}

/// What `kubectl apply` leaves on an object, which is all of it once more, and who wrote which field.
pub fn cut_metadata(object: &mut impl ResourceExt) {
    let metadata = object.meta_mut();
    metadata.managed_fields = None;
    metadata.owner_references.iter_mut().for_each(Vec::shrink_to_fit);
    keep(&mut object.meta_mut().annotations, |name| name != "kubectl.kubernetes.io/last-applied-configuration");
}

pub fn cut_replica_set(set: &mut PartialObjectMeta<ReplicaSet>) {
    keep(&mut set.metadata.labels, |name| name == labels::POOL);
    set.metadata.annotations = None;
}

pub fn cut_pod(pod: &mut Pod) {
    keep(&mut pod.metadata.labels, |name| name == labels::POOL);
    keep(&mut pod.metadata.annotations, |name| name == annotations::DELETION_COST);
    pod.spec = pod.spec.take().map(|spec| PodSpec { node_name: spec.node_name.clone(), ..sizes(spec) });
    pod.status = pod.status.take().map(|status| PodStatus {
        phase: status.phase,
        pod_ip: status.pod_ip,
        conditions: only(status.conditions, |condition| matches!(condition.type_.as_str(), "Ready" | "PodScheduled")),
        container_statuses: status.container_statuses.map(|all| exact(all.into_iter().map(ends))),
        ..PodStatus::default()
    });
}

/// How often a container was started again, and why.
fn ends(status: ContainerStatus) -> ContainerStatus {
    ContainerStatus {
        restart_count: status.restart_count,
        state: status.state,
        last_state: status.last_state,
        ..ContainerStatus::default()
    }
}

/// Of the template only what tells the size of a worker.
pub fn cut_deployment(deployment: &mut Deployment) {
    deployment.metadata.labels = None;
    deployment.metadata.annotations = None;
    if let Some(spec) = &mut deployment.spec {
        spec.template.metadata = None;
        spec.template.spec = spec.template.spec.take().map(sizes);
    }
    deployment.status = deployment.status.take().map(|status| DeploymentStatus {
        conditions: only(status.conditions, |condition| condition.type_ == "ReplicaFailure"),
        ..DeploymentStatus::default()
    });
}

fn sizes(spec: PodSpec) -> PodSpec {
    PodSpec {
        containers: exact(spec.containers.into_iter().map(size)),
        init_containers: spec.init_containers.map(|all| exact(all.into_iter().map(size))),
        ..PodSpec::default()
    }
}

fn size(container: Container) -> Container {
    let resources = container.resources.map(|resources| ResourceRequirements {
        limits: resources.limits.map(|limits| limits.into_iter().filter(|(name, _)| name == "memory").collect()),
        ..ResourceRequirements::default()
    });
    Container { name: container.name, resources, restart_policy: container.restart_policy, ..Container::default() }
}

fn keep(map: &mut Option<BTreeMap<String, String>>, wanted: impl Fn(&str) -> bool) {
    if let Some(all) = map {
        all.retain(|name, _| wanted(name));
    }
    *map = map.take().filter(|left| !left.is_empty());
}

fn only<T>(all: Option<Vec<T>>, wanted: impl Fn(&T) -> bool) -> Option<Vec<T>> {
    Some(exact(all?.into_iter().filter(wanted)))
}

/// What a deserializer gathers has room for four.
fn exact<T>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.collect();
    all.shrink_to_fit();
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::controller::pods;

    #[test]
    fn a_cut_pod_tells_the_same_size_place_and_state() {
        let mut pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "w", "managedFields": [{"manager": "kubectl"}],
                "labels": {"agentworkers.io/pool": "p", "app": "x"},
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "other": "1",
                    "controller.kubernetes.io/pod-deletion-cost": "-1"}},
            "spec": {"nodeName": "n", "volumes": [{"name": "v"}],
                "containers": [{"name": "agent", "command": ["x"], "env": [{"name": "A"}],
                    "resources": {"limits": {"memory": "1Gi"}}}],
                "initContainers": [{"name": "proxy", "restartPolicy": "Always",
                    "resources": {"limits": {"memory": "1Gi"}}}, {"name": "setup"}]},
            "status": {"phase": "Running", "conditions": [
                {"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "True"}]}
        }))
        .unwrap();
        cut_pod(&mut pod);
        cut_metadata(&mut pod);
        let spec = pod.spec.as_ref().unwrap();
        assert_eq!(pods::worker_memory(&spec.containers, spec.init_containers.as_deref().unwrap()), Some(2 << 30));
        assert_eq!((spec.node_name.as_deref(), pods::is_ready(&pod)), (Some("n"), true));
        assert_eq!((&spec.containers[0].env, &spec.volumes), (&None, &None));
        assert_eq!(pod.annotations().keys().collect::<Vec<_>>(), [annotations::DELETION_COST]);
        assert_eq!(pod.labels().keys().collect::<Vec<_>>(), [labels::POOL]);
        assert!(pod.managed_fields().is_empty());
    }

    #[test]
    fn a_pool_that_cannot_be_decoded_is_known_by_its_metadata() {
        let pool: ListedPool = serde_json::from_value(json!({
            "apiVersion": "agentworkers.io/v1alpha1", "kind": "AgentWorkerPool",
            "metadata": {"name": "odd", "namespace": "agents"}, "spec": 7,
        }))
        .unwrap();
        assert!(pool.0.is_err());
        assert_eq!(pool.name_any(), "odd");
    }
}
