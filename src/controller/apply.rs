//! Step 6: the one place of writes to workers. Nothing is written where nothing has changed.

use std::collections::{HashMap, HashSet};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::Context;
use super::build;
use super::dereference::Found;
use super::memory::{Applied, Memory, Written};
use super::observe::Seen;
use super::pods::{self, PodMemory, PrefetchHistory};
use super::reports;
use super::validate::{Plan, Refusal};
use super::world::PoolKey;
use crate::api::names::{FIELD_MANAGER, annotations, owned, reasons};
use crate::api::parsed;
use crate::brokers::DeadLetterTarget;
use crate::scaling::decision::Decision;
use crate::scaling::observation::{Worker, WorkerPhase};
use crate::scaling::replica_set_order::{self, VICTIM_COST};
use crate::scaling::settings::Mode;
use crate::scaling::time::Timestamp;

/// What became of a decision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Replicas before and after, where they were changed.
    pub scaled: Option<(u32, u32)>,
    /// The cluster does not take the pool's template.
    pub refusal: Option<Refusal>,
}

/// One decision to apply, and what it is about.
pub struct Step<'a> {
    pub context: &'a Context,
    pub key: &'a PoolKey,
    pub found: &'a Found,
    pub plan: &'a Plan,
    pub decision: &'a Decision,
    pub memory: &'a mut Memory,
    pub now: Timestamp,
}

impl Step<'_> {
    pub async fn apply(mut self, spec: &parsed::Pool, seen: &Seen) -> kube::Result<Outcome> {
        if self.plan.settings.mode == Mode::Paused {
            return Ok(Outcome::default());
        }
        match &spec.worker {
            parsed::Worker::Template(template) => {
                self.config_map(seen).await?;
                self.own_deployment(template, seen).await
            }
            parsed::Worker::TargetRef(target) => self.target(&target.name, seen).await,
        }
    }

    async fn config_map(&mut self, seen: &Seen) -> kube::Result<()> {
        let mut history = seen.history.clone();
        history.note(self.decision.prefetch, self.now);
        let unread = seen.facts.is_none();
        let target = dead_letter_target(self.plan, seen).or_else(|| known_target(self.found).filter(|_| unread));
        let desired = build::config_map(&self.found.pool, self.decision.prefetch, &history, target.as_ref());
        let live = self.found.config_map.as_deref();
        let written = self.memory.config_map.as_ref().is_some_and(|manifest| manifest["data"] == desired["data"]);
        if written && live.is_none_or(|live| json!(live.data) == desired["data"]) && !self.vanished(live) {
            return Ok(());
        }
        if live.is_some_and(|live| json!(live.data) == desired["data"]) {
            self.memory.config_map = Some(desired);
            return Ok(());
        }
        let api: Api<ConfigMap> = Api::namespaced(self.context.client.clone(), &self.key.namespace);
        api.patch(&owned::config_map(&self.key.name), &forced(), &Patch::Apply(&desired)).await?;
        self.memory.config_map = Some(desired);
        self.memory.config_map_written = Some(self.now);
        Ok(())
    }

    /// The ConfigMap is missing, and not merely because the cache lags behind its creation.
    fn vanished(&self, live: Option<&ConfigMap>) -> bool {
        live.is_none() && self.memory.config_map_written.is_none_or(|at| self.now.since(at) > 5.0)
    }

    async fn own_deployment(&mut self, template: &parsed::Template, seen: &Seen) -> kube::Result<Outcome> {
        let Some(contract) = &self.plan.contract else { return Ok(Outcome::default()) };
        let Ok(mut desired) = build::deployment(&self.found.pool, &template.pod, contract) else {
            return Ok(refused("the template cannot be written as JSON".into()));
        };
        let Some(live) = self.found.deployment.as_deref() else {
            let recommend = self.plan.settings.mode == Mode::Recommend;
            let first = if recommend { self.plan.settings.min_replicas } else { self.decision.applied };
            desired["spec"]["replicas"] = json!(first);
            return self.write_deployment(desired, 0).await;
        };
        let from = seen.observation.replicas.unwrap_or(0);
        let to = self.next_replicas(from).await?;
        let unchanged = self.memory.deployment.as_ref().is_some_and(|applied| {
            applied.manifest == desired
                && applied.uid == live.metadata.uid
                && live.metadata.generation.unwrap_or(0) <= applied.generation
        });
        if unchanged && from == to {
            return Ok(Outcome::default());
        }
        desired["spec"]["replicas"] = json!(to);
        if self.plan.settings.mode == Mode::Recommend {
            // The number is only repeated: it must be the one that stands at this very moment, and of this very
            // Deployment (resourceVersion alone would create a deleted one anew).
            desired["metadata"]["resourceVersion"] = json!(live.metadata.resource_version);
            desired["metadata"]["uid"] = json!(live.metadata.uid);
        }
        self.write_deployment(desired, from).await
    }

    /// Server-side apply, by force: the operator owns the whole Deployment, and an edit by `kubectl set image` or
    /// `rollout undo` must not block it.
    async fn write_deployment(&mut self, desired: Value, from: u32) -> kube::Result<Outcome> {
        let to = desired["spec"]["replicas"].as_u64().unwrap_or(0) as u32;
        let api: Api<Deployment> = Api::namespaced(self.context.client.clone(), &self.key.namespace);
        let live = match api.patch(&self.key.name, &forced(), &Patch::Apply(&desired)).await {
            Ok(live) => live,
            Err(error) => return template_refusal(&error).map(refused).ok_or(error),
        };
        self.remember_written(&live, to);
        let mut manifest = desired;
        if let Some(spec) = manifest["spec"].as_object_mut() {
            spec.remove("replicas");
        }
        if let Some(metadata) = manifest["metadata"].as_object_mut() {
            metadata.remove("resourceVersion");
            metadata.remove("uid");
        }
        let generation = live.metadata.generation.unwrap_or(0);
        self.memory.deployment = Some(Applied { manifest, uid: live.metadata.uid, generation });
        Ok(scaled(from, to))
    }

    /// The target belongs to somebody else: only its scale is written.
    async fn target(&mut self, name: &str, seen: &Seen) -> kube::Result<Outcome> {
        let Some(live) = self.found.deployment.as_deref() else { return Ok(Outcome::default()) };
        let from = seen.observation.replicas.unwrap_or(0);
        let to = self.next_replicas(from).await?;
        if from == to {
            return Ok(Outcome::default());
        }
        let api: Api<Deployment> = Api::namespaced(self.context.client.clone(), &self.key.namespace);
        let patch = Patch::Merge(json!({ "spec": { "replicas": to } }));
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let _: Scale = api.patch_scale(name, &params, &patch).await?;
        self.remember_written(live, to);
        Ok(scaled(from, to))
    }

    fn remember_written(&mut self, live: &Deployment, replicas: u32) {
        let cached = self.found.deployment.as_ref().and_then(|deployment| deployment.metadata.generation);
        self.memory.written =
            live.metadata.uid.clone().map(|uid| Written { uid, replicas, generation_before: cached.unwrap_or(0) });
    }

    /// The number to write now: up at once, down only by workers that hold nothing.
    async fn next_replicas(&mut self, from: u32) -> kube::Result<u32> {
        if self.plan.settings.mode == Mode::Recommend {
            return Ok(from);
        }
        self.mark_victims().await?;
        let to = self.decision.applied;
        if to >= from {
            return Ok(to);
        }
        Ok(from - self.removable(from, from - to).await?)
    }

    /// Victims carry a low deletion cost before replicas fall; nobody else keeps one from earlier.
    async fn mark_victims(&mut self) -> kube::Result<()> {
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
    async fn removable(&mut self, from: u32, count: u32) -> kube::Result<u32> {
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

/// Where dead letters go: what the user names, else what the queue's own settings say.
pub fn dead_letter_target(plan: &Plan, seen: &Seen) -> Option<DeadLetterTarget> {
    let named = plan.dead_letter_queue.as_ref().map(|queue| DeadLetterTarget {
        exchange: String::new(),
        routing_key: queue.clone(),
        queue: Some(queue.clone()),
    });
    named.or_else(|| seen.facts.as_ref()?.dead_letter.clone())
}

/// What the ConfigMap says already: kept while the broker cannot be asked.
fn known_target(found: &Found) -> Option<DeadLetterTarget> {
    use crate::api::names::env::{DEAD_LETTER_EXCHANGE, DEAD_LETTER_ROUTING_KEY};
    let data = found.config_map.as_ref()?.data.as_ref()?;
    Some(DeadLetterTarget {
        exchange: data.get(DEAD_LETTER_EXCHANGE)?.clone(),
        routing_key: data.get(DEAD_LETTER_ROUTING_KEY)?.clone(),
        queue: None,
    })
}

fn forced() -> PatchParams {
    PatchParams::apply(FIELD_MANAGER).force()
}

fn scaled(from: u32, to: u32) -> Outcome {
    Outcome { scaled: (from != to).then_some((from, to)), refusal: None }
}

fn refused(message: String) -> Outcome {
    Outcome { scaled: None, refusal: Some(Refusal::wrong(reasons::TEMPLATE_INVALID, message)) }
}

/// Whether the API server refused the template rather than the request: then the message, without any value of
/// the template in it.
///
/// Type, duplicate, unknown-field and quantity errors of a server-side apply come back as HTTP 500 (measured on
/// Kubernetes 1.37), and their text can hold the offending value.
fn template_refusal(error: &kube::Error) -> Option<String> {
    let kube::Error::Api(status) = error else { return None };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let fields: Vec<String> = causes.map(|cause| format!("{} ({})", cause.field, cause.reason)).collect();
    match status.code {
        422 => Some(format!("the API server refuses the Deployment made of worker.template: {}", fields.join(", "))),
        500 if ["failed to create typed patch", "failed to create manager", "unmarshal", "quantities must match"]
            .iter()
            .any(|sign| status.message.contains(sign)) =>
        {
            Some(
                "worker.template holds a value of a wrong type, a duplicate or an unknown field; \
                  `kubectl apply --dry-run=server` on a Deployment with this template shows which"
                    .to_owned(),
            )
        }
        400 | 403 if !status.message.contains("cannot patch resource") => {
            Some(format!("the cluster refuses the Deployment: {}", first_line(&status.message)))
        }
        _ => None,
    }
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn api_error(value: Value) -> kube::Error {
        kube::Error::Api(serde_json::from_value::<Status>(value).unwrap().boxed())
    }

    #[test]
    fn a_refused_template_is_told_from_an_outage_and_without_its_values() {
        let invalid = api_error(json!({"code": 422, "message": "Deployment.apps \"x\" is invalid: spec… \"hunter2\"",
            "reason": "Invalid", "details": {"causes": [
                {"field": "spec.template.spec.containers[0].image", "reason": "FieldValueRequired", "message": "hunter2"}]}}));
        let message = template_refusal(&invalid).unwrap();
        assert!(message.contains("spec.template.spec.containers[0].image (FieldValueRequired)"), "{message}");
        assert!(!message.contains("hunter2"));
        let typed = api_error(json!({"code": 500, "message": "failed to create typed patch object: hunter2"}));
        assert!(!template_refusal(&typed).unwrap().contains("hunter2"));
        let outage = api_error(json!({"code": 500, "message": "etcdserver: leader changed"}));
        assert_eq!(template_refusal(&outage), None);
    }
}
