//! Which workers may go, and how many of them right now.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::Step;
use crate::api::names::annotations;
use crate::controller::objects::{Deployment, Kept, Pod, Read, ReplicaSet};
use crate::controller::pods::{PodMemory, PrefetchHistory};
use crate::controller::{dereference, reports};
use crate::scaling::observation::{Worker, WorkerPhase};
use crate::scaling::replica_set_order::{self, VICTIM_COST};

impl Step<'_> {
    /// Victims carry a low deletion cost before replicas fall; nobody else keeps one from earlier.
    pub(super) async fn mark_victims(&mut self) -> kube::Result<()> {
        let victims: HashSet<&str> = self.decision.victims.iter().map(String::as_str).collect();
        let api: Api<Read<Pod>> = Api::namespaced(self.context.parts.client.clone(), &self.key.namespace);
        // Of a pod that is on its way out, nobody reads the mark any more.
        for pod in self.found.pods.iter().filter(|pod| !pod.ends) {
            let name = &pod.name;
            let marked = pod.deletion_cost == Some(VICTIM_COST);
            let cost = match (victims.contains(&**name), marked) {
                (true, false) => json!(VICTIM_COST.to_string()),
                (false, true) => Value::Null,
                _ => continue,
            };
            let patch = json!({ "metadata": { "annotations": { annotations::DELETION_COST: cost } } });
            match api.patch_metadata(name, &PatchParams::default(), &Patch::Merge(&patch)).await {
                Ok(_) => (),
                Err(kube::Error::Api(status)) if status.code == 404 => (),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// How many of `count` workers may go right now, by fresh pods and fresh reports: the ReplicaSet's own order
    /// decides who goes, so only the prefix of that order that holds no task is let go. A pod that no cache knew when
    /// the decision was made is there as well, and stays.
    pub(super) async fn removable(&mut self, deployment: &Deployment, from: u32, count: u32) -> kube::Result<u32> {
        let fresh = self.fresh_pods(deployment).await?;
        let fresh: Vec<&Pod> = fresh.iter().map(AsRef::as_ref).collect();
        let mut reports = HashMap::new();
        if let Some(port) = self.plan.status_port {
            let targets = fresh.iter().filter_map(|pod| reports::target(pod, port)).collect();
            reports = reports::ask(&self.context.parts.workers, targets).await;
        }
        let history = PrefetchHistory::default();
        let mut workers = PodMemory::default().workers(&fresh, &reports, &history, self.decision.prefetch, self.now);
        workers.retain(|worker| worker.phase != WorkerPhase::Terminating);
        if workers.windows(2).any(|pair| pair[0].revision != pair[1].revision) {
            // A rollout: who would go is not the ReplicaSet's choice alone.
            return Ok(0);
        }
        let may_go: Vec<bool> = workers.iter().map(|worker| self.still_idle(worker)).collect();
        let idle = replica_set_order::safe_to_lower(&workers, &may_go) as u32;
        Ok(count.min(spare(from, workers.len() as u32, idle)))
    }

    async fn fresh_pods(&self, deployment: &Deployment) -> kube::Result<Vec<Arc<Pod>>> {
        let (sets, pods) = (self.selected::<ReplicaSet>().await?, self.selected::<Pod>().await?);
        Ok(dereference::chained(pods, &sets, Some(deployment)))
    }

    /// Past the cache.
    async fn selected<K: Kept>(&self) -> kube::Result<Vec<Arc<K>>> {
        let api: Api<Read<K>> = Api::namespaced(self.context.parts.client.clone(), &self.key.namespace);
        let selected = api.list(&ListParams::default().labels(&self.found.selector)).await?;
        Ok(selected.items.into_iter().map(|read| Arc::new(read.kept)).collect())
    }

    /// Chosen to go, and seen to hold nothing at this moment where it can be asked.
    fn still_idle(&self, worker: &Worker) -> bool {
        let mute = self.plan.status_port.is_none() || worker.phase <= WorkerPhase::Pending;
        self.decision.victims.contains(&worker.name)
            && (mute || worker.report.as_ref().is_some_and(|report| report.in_flight == 0))
    }
}

/// By how many replicas `from` may fall, with `active` pods of which the first `idle` in the ReplicaSet's order may go:
/// pods that are still to be created, and those idle ones that are not on their way out for an earlier lowering.
fn spare(from: u32, active: u32, idle: u32) -> u32 {
    (from + idle).saturating_sub(active)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_workers_that_an_earlier_lowering_takes_are_not_spared_twice() {
        assert_eq!(spare(5, 5, 2), 2);
        assert_eq!(spare(5, 3, 1), 3, "two are not created yet");
        assert_eq!(spare(5, 6, 2), 1, "one of the two idle ones is about to be deleted already");
        assert_eq!(spare(5, 7, 1), 0);
    }
}
