//! The ReplicaSet controller, above all its choice of victims: written from Kubernetes' `ActivePodsWithRanks` and not
//! from ours, so that a mistake there shows here.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::deployments::{count, name_of};
use super::pods::Pod;
use crate::api::store::Kind;
use crate::world::World;

impl World {
    pub fn sync_replica_set(&mut self, name: &str) {
        let Some(set) = self.store.get(Kind::ReplicaSet, name).cloned() else { return };
        let active: Vec<&Pod> = self.pods.values().filter(|pod| pod.set == name && pod.ending.is_none()).collect();
        let (wanted, there) = (count(&set, "/spec/replicas"), active.len() as u64);
        if there < wanted {
            for _ in there..wanted {
                self.create_pod(&set);
            }
        } else if there > wanted {
            let order = self.order(&active);
            let victims: Vec<String> =
                order.iter().take((there - wanted) as usize).map(|pod| pod.name.clone()).collect();
            let owner = set["metadata"]["ownerReferences"][0]["name"].as_str().unwrap_or_default().to_owned();
            self.judge_victims(&owner, &victims);
            for victim in victims {
                self.end_pod(&victim);
            }
        }
        self.count_set(name);
    }

    pub fn count_set(&mut self, name: &str) {
        let now = self.now();
        let active = self.pods.values().filter(|pod| pod.set == name && pod.ending.is_none());
        let (replicas, ready) = active.fold((0u64, 0u64), |(all, ready), pod| (all + 1, ready + u64::from(pod.ready)));
        let before = self.store.version;
        let status = json!({ "replicas": replicas, "readyReplicas": ready });
        let Some(set) = self.store.update(Kind::ReplicaSet, name, now, |set| set["status"] = status) else { return };
        if self.store.version != before {
            let owner = set["metadata"]["ownerReferences"][0]["name"].as_str().unwrap_or_default().to_owned();
            self.wake_deployment(&owner);
        }
    }

    /// First the first to go.
    fn order<'a>(&self, active: &[&'a Pod]) -> Vec<&'a Pod> {
        let now = self.now();
        let cost = |pod: &Pod| {
            let object = self.store.get(Kind::Pod, &pod.name);
            let note = object.map(|object| object["metadata"]["annotations"][DELETION_COST].clone());
            note.and_then(|note| note.as_str()?.parse::<i64>().ok()).unwrap_or(0)
        };
        // Pods of all ReplicaSets of one Deployment count when nodes are compared.
        let deployment = |pod: &Pod| pod.set.rsplit_once('-').map(|(name, _)| name.to_owned());
        let crowd = |pod: &Pod| {
            let related = self.pods.values().filter(|other| other.ending.is_none() && other.node == pod.node);
            related.filter(|other| deployment(other) == deployment(pod)).count()
        };
        let mut order = active.to_vec();
        order.sort_by(|a, b| {
            a.node
                .is_some()
                .cmp(&b.node.is_some())
                .then(a.running.cmp(&b.running))
                .then(a.ready.cmp(&b.ready))
                .then(cost(a).cmp(&cost(b)))
                .then(crowd(b).cmp(&crowd(a)))
                .then_with(|| younger(a.ready_since.filter(|_| a.ready), b.ready_since.filter(|_| b.ready), now, a, b))
                .then(b.restarts.cmp(&a.restarts))
                .then_with(|| younger(Some(a.created), Some(b.created), now, a, b))
        });
        order
    }
}

const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The shorter first, in powers of two; the UID where that is equal and the times are not.
fn younger(a: Option<u64>, b: Option<u64>, now: u64, left: &Pod, right: &Pod) -> Ordering {
    let (Some(a), Some(b)) = (a, b) else { return Ordering::Equal };
    // Kubernetes knows whole seconds.
    let (a, b, now) = (a / 1000, b / 1000, now / 1000);
    if a == b {
        return Ordering::Equal;
    }
    let magnitude = |at: u64| ((now - at.min(now)) as f64 * 1e9).log2() as i64;
    magnitude(a).cmp(&magnitude(b)).then_with(|| left.uid.cmp(&right.uid))
}

/// A pod of the set, as its template has it.
pub fn pod_of(set: &Value, number: u64) -> Value {
    let name = format!("{}-{number}", name_of(set));
    json!({
        "metadata": { "name": name, "labels": set["metadata"]["labels"],
            "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": set["metadata"]["name"],
                "uid": set["metadata"]["uid"], "controller": true }] },
        "spec": { "containers": [{ "name": "agent", "image": "example/agent",
            "resources": { "limits": { "memory": "2Gi" } } }] },
        "status": { "phase": "Pending" },
    })
}
