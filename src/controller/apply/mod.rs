//! Step 6: the one place of writes to workers. Nothing is written where nothing has changed.

mod config_map;
mod removal;
mod replicas;

use k8s_openapi::api::autoscaling::v1::Scale;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::Context;
use super::build::{self, WorkerContract};
use super::dereference::Found;
use super::memory::{Applied, Memory, Written};
use super::objects::{Deployment, Read};
use super::observe::Seen;
use super::validate::{Plan, Refusal};
use super::world::PoolKey;
use crate::api::names::{FIELD_MANAGER, reasons};
use crate::api::parsed;
use crate::brokers::DeadLetterTarget;
use crate::scaling::decision::Decision;
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
                if let Some(outcome) = self.config_map(seen).await? {
                    return Ok(outcome);
                }
                self.own_deployment(template, seen).await
            }
            parsed::Worker::TargetRef(target) => self.target(&target.name, seen).await,
        }
    }

    async fn own_deployment(&mut self, template: &parsed::Template, seen: &Seen) -> kube::Result<Outcome> {
        let Some(contract) = &self.plan.contract else { return Ok(Outcome::default()) };
        let Some(live) = self.found.deployment.as_deref() else {
            return self.first_deployment(template, contract).await;
        };
        let from = seen.observation.replicas.unwrap_or(0);
        let wanted = self.wanted_replicas(from).await?;
        let unchanged = self.memory.deployment.as_ref().is_some_and(|applied| {
            applied.pool_generation == self.found.pool.metadata.generation
                && applied.contract == *contract
                && applied.uid == live.uid
                && live.generation <= applied.generation
        });
        if unchanged && from == wanted {
            return Ok(Outcome::default());
        }
        let Some(fresh) = self.fresh(live, from).await? else { return Ok(Outcome::default()) };
        let to = self.possible_replicas(live, &fresh, from, wanted).await?;
        if unchanged && from == to {
            return Ok(Outcome::default());
        }
        self.write_deployment(template, contract, Some(&fresh), (from, to)).await
    }

    async fn first_deployment(
        &mut self,
        template: &parsed::Template,
        contract: &WorkerContract,
    ) -> kube::Result<Outcome> {
        let recommend = self.plan.settings.mode == Mode::Recommend;
        let first = if recommend { self.plan.settings.min_replicas } else { self.decision.applied };
        self.write_deployment(template, contract, None, (0, first)).await
    }

    /// Server-side apply, by force: the operator owns the whole Deployment, and an edit by `kubectl set image` or
    /// `rollout undo` must not block it. `fresh`: the very Deployment that is meant; `None` = there is none.
    async fn write_deployment(
        &mut self,
        template: &parsed::Template,
        contract: &WorkerContract,
        fresh: Option<&Deployment>,
        (from, to): (u32, u32),
    ) -> kube::Result<Outcome> {
        let Ok(desired) = self.manifest(template, contract, fresh, to) else {
            return Ok(refused("the template cannot be written as JSON".into()));
        };
        let api: Api<Read<Deployment>> = Api::namespaced(self.context.parts.client.clone(), &self.key.namespace);
        let live = match api.patch(&self.key.name, &forced(), &Patch::Apply(&desired)).await {
            Ok(read) => read.kept,
            // It is there, and only the cache does not have it yet: when it does, the pool is decided anew.
            Err(error) if is_conflict(&error) && fresh.is_none() => return Ok(Outcome::default()),
            Err(error) if is_conflict(&error) => return Ok(self.overtaken()),
            Err(error) => return template_refusal(&error).map(refused).ok_or(error),
        };
        self.remember_written(&live, to);
        self.memory.deployment = Some(Applied {
            pool_generation: self.found.pool.metadata.generation,
            contract: contract.clone(),
            generation: live.generation,
            uid: live.uid,
        });
        Ok(scaled(from, to))
    }

    /// As text: where a thousand pools wait for their turn at the API server, each as a tree would be ten times as much.
    fn manifest(
        &self,
        template: &parsed::Template,
        contract: &WorkerContract,
        fresh: Option<&Deployment>,
        replicas: u32,
    ) -> serde_json::Result<Box<RawValue>> {
        let mut desired = build::deployment(&self.found.pool, &template.pod, contract)?;
        desired["spec"]["replicas"] = json!(replicas);
        mean(&mut desired, fresh.map(|fresh| (&*fresh.uid, &*fresh.resource_version)));
        to_raw_value(&desired)
    }

    /// The target belongs to somebody else: only its scale is written.
    async fn target(&mut self, name: &str, seen: &Seen) -> kube::Result<Outcome> {
        let Some(live) = self.found.deployment.as_deref() else { return Ok(Outcome::default()) };
        let from = seen.observation.replicas.unwrap_or(0);
        let wanted = self.wanted_replicas(from).await?;
        if from == wanted {
            return Ok(Outcome::default());
        }
        let Some(fresh) = self.fresh(live, from).await? else { return Ok(Outcome::default()) };
        let to = self.possible_replicas(live, &fresh, from, wanted).await?;
        if from == to {
            return Ok(Outcome::default());
        }
        let api: Api<Read<Deployment>> = Api::namespaced(self.context.parts.client.clone(), &self.key.namespace);
        let patch = Patch::Merge(json!({
            "metadata": { "resourceVersion": fresh.resource_version },
            "spec": { "replicas": to },
        }));
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let written: kube::Result<Scale> = api.patch_scale(name, &params, &patch).await;
        match written {
            Err(error) if is_conflict(&error) => return Ok(self.overtaken()),
            other => other?,
        };
        self.remember_written(live, to);
        Ok(scaled(from, to))
    }

    fn remember_written(&mut self, live: &Deployment, replicas: u32) {
        let generation_before = self.found.deployment.as_ref().map_or(0, |cached| cached.generation);
        self.memory.written = Some(Written { uid: live.uid.clone(), replicas, generation_before });
    }

    /// The Deployment became another before the write arrived: it is decided anew, at once.
    fn overtaken(&self) -> Outcome {
        self.memory.wake.notify_one();
        Outcome::default()
    }
}

/// The version of an empty cluster, which no object has: an apply that names it creates, and is refused with 409 where
/// there is something already.
const OF_NONE: &str = "1";

/// Makes `desired` an apply for the very object with this UID and version, and no other; `None` = there is none.
fn mean(desired: &mut Value, fresh: Option<(&str, &str)>) {
    let metadata = &mut desired["metadata"];
    if let Some((uid, resource_version)) = fresh {
        metadata["resourceVersion"] = json!(resource_version);
        // The version alone would create a deleted one anew.
        metadata["uid"] = json!(uid);
    } else {
        // There may be one that the cache does not have yet, or that is made while this is on its way: an apply would
        // change it, or take over a stranger's.
        metadata["resourceVersion"] = json!(OF_NONE);
    }
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

/// Where dead letters go: what the user names, else what the queue's own settings say.
pub fn dead_letter_target(plan: &Plan, seen: &Seen) -> Option<DeadLetterTarget> {
    plan.dead_letter.clone().or_else(|| seen.facts.as_ref()?.dead_letter.clone())
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
pub fn template_refusal(error: &kube::Error) -> Option<String> {
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
    use super::*;
    use kube::core::Status;

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
