//! A worker's pod.

use std::net::IpAddr;

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Kept, Named, Wire};
use crate::api::names::{annotations, labels};
use crate::api::sizes::{Container, Sizes};
use crate::controller::times;
use crate::scaling::observation::WorkerPhase;
use crate::scaling::time::Timestamp;

#[derive(Clone, Debug)]
pub struct Pod {
    pub name: Box<str>,
    pub uid: Box<str>,
    /// By its label, which anybody can write.
    pub pool: Option<Box<str>>,
    /// UID of the ReplicaSet that controls it.
    pub replica_set: Option<Box<str>>,
    pub created: Option<Timestamp>,
    /// On its way out.
    pub ends: bool,
    /// Succeeded and failed pods are not workers any more: their ReplicaSet replaces them.
    pub finished: bool,
    pub phase: WorkerPhase,
    pub ready: bool,
    /// Since when it is ready, if it is.
    pub ready_since: Option<Timestamp>,
    /// Why the scheduler finds no place for it, if it said so.
    pub unschedulable: Option<Box<str>>,
    pub node: Option<Box<str>>,
    pub address: Option<IpAddr>,
    /// Sum of the memory limits, bytes.
    pub memory: Option<u64>,
    pub deletion_cost: Option<i32>,
    /// The most often that a container was started again.
    pub restarts: u32,
    /// The same of the containers that were ended for want of memory.
    pub out_of_memory: Option<i32>,
}

impl Named for Pod {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Kept for Pod {
    type Kind = v1::Pod;
    type Spec = Spec;
    type Status = Status;
    type Data = IgnoredAny;

    fn keep(Wire { mut metadata, spec, status, .. }: Wire<Self>) -> Self {
        let (spec, status) = (spec.unwrap_or_default(), status.unwrap_or_default());
        let node = spec.node_name.filter(|node| !node.is_empty());
        let phase = status.phase.as_deref();
        let ready = status.condition("Ready").filter(|ready| ready.status == "True");
        let containers = status.container_statuses.as_deref().unwrap_or_default();
        let killed = containers.iter().filter(|container| container.was_out_of_memory());
        Self {
            pool: metadata.label(labels::POOL),
            replica_set: metadata.controller(Some("ReplicaSet")),
            created: metadata.created(),
            ends: metadata.ends(),
            finished: matches!(phase, Some("Succeeded" | "Failed")),
            phase: match (metadata.ends(), &node, phase == Some("Running"), ready) {
                (true, ..) => WorkerPhase::Terminating,
                (false, None, ..) => WorkerPhase::Unassigned,
                (false, Some(_), false, _) => WorkerPhase::Pending,
                (false, Some(_), true, None) => WorkerPhase::NotReady,
                (false, Some(_), true, Some(_)) => WorkerPhase::Ready,
            },
            ready: ready.is_some(),
            ready_since: ready.and_then(|ready| ready.last_transition_time.as_ref()).map(times::from_kubernetes),
            unschedulable: status.unschedulable().map(Into::into),
            address: status.pod_ip.as_deref().and_then(|address| address.parse().ok()),
            memory: Sizes::new(spec.containers, spec.init_containers).memory(),
            deletion_cost: metadata.annotation(annotations::DELETION_COST).and_then(|cost| cost.parse().ok()),
            restarts: containers.iter().map(|one| u32::try_from(one.restart_count).unwrap_or(0)).max().unwrap_or(0),
            out_of_memory: killed.map(|container| container.restart_count).max(),
            node,
            name: metadata.name,
            uid: metadata.uid,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    node_name: Option<Box<str>>,
    containers: Option<Vec<Container>>,
    init_containers: Option<Vec<Container>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    phase: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    conditions: Option<Vec<Condition>>,
    container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    r#type: String,
    status: String,
    reason: Option<String>,
    message: Option<String>,
    last_transition_time: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ContainerStatus {
    restart_count: i32,
    state: Option<ContainerState>,
    last_state: Option<ContainerState>,
}

#[derive(Deserialize)]
struct ContainerState {
    terminated: Option<Terminated>,
}

#[derive(Deserialize)]
struct Terminated {
    reason: Option<String>,
}

impl Status {
    fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.as_ref()?.iter().find(|condition| condition.r#type == kind)
    }

    fn unschedulable(&self) -> Option<&str> {
        let scheduled = self.condition("PodScheduled").filter(|condition| condition.status == "False")?;
        let unschedulable = scheduled.reason.as_deref() == Some("Unschedulable");
        unschedulable.then(|| scheduled.message.as_deref().unwrap_or_default())
    }
}

impl ContainerStatus {
    fn was_out_of_memory(&self) -> bool {
        let states = [self.last_state.as_ref(), self.state.as_ref()];
        let mut ends = states.into_iter().flatten().filter_map(|state| state.terminated.as_ref());
        ends.any(|end| end.reason.as_deref() == Some("OOMKilled"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::controller::objects::Read;

    fn pod(pod: Value) -> Pod {
        serde_json::from_value::<Read<Pod>>(pod).unwrap().kept
    }

    #[test]
    fn a_pod_is_its_place_its_size_its_state_and_who_it_belongs_to() {
        let pod = pod(json!({
            "metadata": {"name": "w", "uid": "u", "managedFields": [{"manager": "kubectl"}],
                "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"agentworkers.io/pool": "p", "app": "x"},
                "annotations": {"controller.kubernetes.io/pod-deletion-cost": "-1"},
                "ownerReferences": [{"apiVersion": "x/v1", "kind": "Other", "name": "o", "uid": "o"},
                    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "s", "uid": "s", "controller": true}]},
            "spec": {"nodeName": "n", "volumes": [{"name": "v"}],
                "containers": [{"name": "agent", "env": [{"name": "A"}], "resources": {"limits": {"memory": "1Gi"}}}]},
            "status": {"phase": "Running", "podIP": "10.0.0.7", "conditions": [
                {"type": "Initialized", "status": "True"},
                {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:09Z"}]}
        }));
        assert_eq!((&*pod.name, &*pod.uid, pod.pool.as_deref()), ("w", "u", Some("p")));
        assert_eq!((pod.replica_set.as_deref(), pod.node.as_deref()), (Some("s"), Some("n")));
        assert_eq!((pod.phase, pod.ready, pod.memory), (WorkerPhase::Ready, true, Some(1 << 30)));
        assert_eq!(pod.ready_since.zip(pod.created).map(|(ready, created)| ready.since(created)), Some(9.0));
        assert_eq!((pod.deletion_cost, pod.address), (Some(-1), Some(IpAddr::from([10, 0, 0, 7]))));
    }

    #[test]
    fn a_pod_without_a_node_is_pending_for_nobody_and_one_that_ends_is_no_worker() {
        let phase = |spec: Value, status: Value| pod(json!({"metadata": {}, "spec": spec, "status": status})).phase;
        let waiting = json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/3 nodes"}]});
        assert_eq!(phase(json!({}), waiting.clone()), WorkerPhase::Unassigned);
        assert_eq!(pod(json!({"status": waiting})).unschedulable.as_deref(), Some("0/3 nodes"));
        assert_eq!(phase(json!({"nodeName": "n"}), json!({"phase": "Pending"})), WorkerPhase::Pending);
        assert_eq!(phase(json!({"nodeName": "n"}), json!({"phase": "Running"})), WorkerPhase::NotReady);
        let ends = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"phase": "Failed"}});
        let ends = pod(ends);
        assert_eq!((ends.phase, ends.ends, ends.finished), (WorkerPhase::Terminating, true, true));
    }

    #[test]
    fn the_last_end_for_want_of_memory_is_known_by_its_restart() {
        let killed = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
        let pod = pod(json!({"status": {"containerStatuses": [
            {"name": "agent", "restartCount": 2, "lastState": killed}, {"name": "proxy", "restartCount": 5}]}}));
        assert_eq!((pod.out_of_memory, pod.restarts), (Some(2), 5));
    }
}
