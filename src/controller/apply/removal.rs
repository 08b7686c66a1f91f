//! Which workers may go, and how many of them right now.

use std::collections::{HashMap, HashSet};

use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::Step;
use crate::api::names::annotations;
use crate::controller::pods::{self, PodMemory, PrefetchHistory};
use crate::controller::reports;
use crate::scaling::observation::{Worker, WorkerPhase};
use crate::scaling::replica_set_order::{self, VICTIM_COST};

impl Step<'_> {
    /// Victims carry a low deletion cost before replicas fall; nobody else keeps one from earlier.
    pub(super) async fn mark_victims(&mut self) -> kube::Result<()> {
        let victims: HashSet<&str> = self.decision.victims.iter().map(String::as_str).collect();
        let api: Api<Pod> = Api::namespaced(self.context.client.clone(), &self.key.namespace);
        for pod in &self.found.pods {
            let name = pod.name_any();
            let marked =
                pod.annotations().get(annotations::DELETION_COST).is_some_and(|cost| *cost == VICTIM_COST.to_string());
            let cost = match (victims.contains(name.as_str()), marked) {
                (true, false) => json!(VICTIM_COST.to_string()),
                (false, true) => Value::Null,
                _ => continue,
            };
            let patch = json!({ "metadata": { "annotations": { annotations::DELETION_COST: cost } } });
            match api.patch_metadata(&name, &PatchParams::default(), &Patch::Merge(&patch)).await {
                Ok(_) => (),
                Err(kube::Error::Api(status)) if status.code == 404 => (),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// How many of `count` workers may go right now, by fresh pods and fresh reports: the ReplicaSet's own order
    /// decides who goes, so only the prefix of that order that holds no task is let go.
    pub(super) async fn removable(&mut self, from: u32, count: u32) -> kube::Result<u32> {
        let api: Api<Pod> = Api::namespaced(self.context.client.clone(), &self.key.namespace);
        let fresh = api.list(&ListParams::default().labels(&self.found.selector)).await?.items;
        let ours: HashSet<Option<String>> = self.found.pods.iter().map(|pod| pods::replica_set(pod)).collect();
        let fresh: Vec<&Pod> = fresh.iter().filter(|pod| ours.contains(&pods::replica_set(pod))).collect();
        let mut reports = HashMap::new();
        if let Some(port) = self.plan.status_port {
            let targets = fresh.iter().filter_map(|pod| reports::target(pod, port)).collect();
            reports = reports::ask(&self.context.workers, targets).await;
        }
        let history = PrefetchHistory::default();
        let workers = PodMemory::default().workers(&fresh, &reports, &history, self.decision.prefetch, self.now);
        let may_go: Vec<bool> = workers.iter().map(|worker| self.still_idle(worker)).collect();
        let active = workers.iter().filter(|worker| worker.phase != WorkerPhase::Terminating).count() as u32;
        let idle = replica_set_order::safe_to_lower(&workers, &may_go) as u32;
        Ok(count.min(from.saturating_sub(active) + idle))
    }

    /// Chosen to go, and seen to hold nothing at this moment where it can be asked.
    fn still_idle(&self, worker: &Worker) -> bool {
        let asked = self.plan.status_port.is_none() || worker.phase <= WorkerPhase::Pending;
        self.decision.victims.contains(&worker.name)
            && (asked || worker.report.as_ref().is_some_and(|report| report.in_flight == 0))
    }
}
