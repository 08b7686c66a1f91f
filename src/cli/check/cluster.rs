//! What the cluster has and accepts, with the rights of whoever asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use kube::api::{Patch, PatchParams, ValidationDirective};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::manifest::Subject;
use crate::api::AgentWorkerPool;
use crate::api::names::FIELD_MANAGER;
use crate::api::parsed::{self, Worker, WorkerLogin};
use crate::brokers::check::Step;
use crate::controller::apply::template_refusal;
use crate::controller::broker;
use crate::controller::build::{self, WorkerContract};
use crate::controller::dereference::SecretState;
use crate::controller::objects::{Deployment, Read, Secret};

pub struct Cluster {
    client: Option<Client>,
    pub namespace: String,
}

/// What the API server says of a manifest.
pub enum Admission {
    Accepted,
    Refused(String),
    NotTried(String),
}

/// The Secrets that a pool names.
#[derive(Debug, Default)]
pub struct KnownSecrets(BTreeMap<String, SecretState>);

impl Cluster {
    pub fn new(client: Option<Client>, namespace: &str) -> Self {
        Self { client, namespace: namespace.to_owned() }
    }

    fn api<K>(&self) -> Option<Api<K>>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Some(Api::namespaced(self.client.clone()?, &self.namespace))
    }

    pub async fn pool(&self, name: &str) -> anyhow::Result<Subject> {
        let api: Api<AgentWorkerPool> = self.api().context("no cluster to talk to: set KUBECONFIG")?;
        let namespace = &self.namespace;
        let pool = api.get_opt(name).await.with_context(|| format!("cannot read pool {namespace}/{name}"))?;
        let pool = pool.with_context(|| {
            format!("there is no pool {name} in namespace {namespace} (a file is named with its extension or with ./)")
        })?;
        Ok(Subject { name: name.to_owned(), pool, admitted: true })
    }

    /// A dry run of a server-side apply: the very rules of admission.
    pub async fn admits(&self, name: &str, manifest: &Value) -> Admission {
        let Some(api) = self.api::<AgentWorkerPool>() else {
            return Admission::NotTried("there is no cluster to talk to".to_owned());
        };
        let params = PatchParams {
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::apply("awp-check").force().dry_run()
        };
        match api.patch(name, &params, &Patch::Apply(manifest)).await {
            Ok(_) => Admission::Accepted,
            Err(kube::Error::Api(status)) => match status.code {
                400 | 422 | 500 => Admission::Refused(status.message.clone()),
                403 => Admission::NotTried("you may not patch pools here".to_owned()),
                404 => Admission::NotTried("the cluster has no CRD of pools, or not this namespace".to_owned()),
                code => Admission::NotTried(format!("the API server answers with status {code}")),
            },
            Err(_) => Admission::NotTried("the API server cannot be reached".to_owned()),
        }
    }

    /// One step for each Secret that the pool names.
    pub async fn secrets(&self, spec: &parsed::Pool, steps: &mut Vec<Step>) -> KnownSecrets {
        let mut names: Vec<&String> = broker::secrets(&spec.broker);
        if let Worker::Template(template) = &spec.worker {
            names.extend(template.login.iter().map(WorkerLogin::secret));
        }
        names.sort();
        names.dedup();
        let mut known = KnownSecrets::default();
        for name in names {
            let (state, step) = self.secret(name).await;
            steps.push(step);
            known.0.insert(name.clone(), state);
        }
        known
    }

    async fn secret(&self, name: &str) -> (SecretState, Step) {
        let Some(api) = self.api::<Read<Secret>>() else {
            let step = Step::skipped("secret", format!("Secret {name} cannot be read without a cluster"));
            return (SecretState::Forbidden, step);
        };
        let namespace = &self.namespace;
        match api.get_opt(name).await {
            Ok(Some(Read { kept: secret, .. })) => {
                let keys: Vec<&str> = secret.data.keys().map(String::as_str).collect();
                let step = Step::passed("secret", format!("Secret {name} is there, with the keys {}", keys.join(", ")));
                (SecretState::Found(Arc::new(secret)), step)
            }
            Ok(None) => {
                let remedy =
                    format!("kubectl -n {namespace} create secret generic {name} with the keys the pool names");
                let detail = format!("there is no Secret {name} in namespace {namespace}");
                (SecretState::Missing, Step::failed("secret", detail, remedy))
            }
            Err(kube::Error::Api(status)) if status.code == 403 => {
                let remedy = "run this as somebody who may; the operator has rights of its own";
                let detail = format!("you may not read Secret {name} in namespace {namespace}");
                (SecretState::Forbidden, Step::failed("secret", detail, remedy))
            }
            Err(_) => {
                let step =
                    Step::failed("secret", format!("Secret {name} cannot be read"), "is the API server reachable?");
                (SecretState::Forbidden, step)
            }
        }
    }

    /// The Deployment of `worker.targetRef`; `None` also where the pool has a template.
    pub async fn target(&self, spec: &parsed::Pool, steps: &mut Vec<Step>) -> Option<Deployment> {
        let Worker::TargetRef(target) = &spec.worker else { return None };
        let name = &target.name;
        let Some(api) = self.api::<Read<Deployment>>() else {
            steps.push(Step::skipped("target", format!("Deployment {name} cannot be read without a cluster")));
            return None;
        };
        match api.get_opt(name).await {
            Ok(Some(Read { kept: deployment, .. })) => {
                steps.push(Step::passed("target", format!("Deployment {name} is there")));
                Some(deployment)
            }
            Ok(None) => {
                let detail = format!("there is no Deployment {name} in namespace {}", self.namespace);
                steps.push(Step::failed("target", detail, "create it, or correct worker.targetRef"));
                None
            }
            Err(_) => {
                steps.push(Step::warning(
                    "target",
                    format!("Deployment {name} cannot be read"),
                    "may you get Deployments?",
                ));
                None
            }
        }
    }

    /// A dry run of the Deployment that the operator would make.
    pub async fn template(
        &self,
        pool: &AgentWorkerPool,
        template: &parsed::Template,
        contract: &WorkerContract,
        steps: &mut Vec<Step>,
    ) {
        steps.push(self.dry_run(pool, template, contract).await);
    }

    async fn dry_run(&self, pool: &AgentWorkerPool, template: &parsed::Template, contract: &WorkerContract) -> Step {
        let remedy = "correct worker.template";
        let Ok(mut manifest) = build::deployment(pool, &template.pod, contract) else {
            return Step::failed("template", "the template cannot be written as JSON", remedy);
        };
        let (Some(api), Some(name)) = (self.api::<Read<Deployment>>(), pool.metadata.name.as_deref()) else {
            return Step::skipped("template", "there is no cluster to try it on");
        };
        manifest["spec"]["replicas"] = json!(0);
        // A pool that is not there yet owns nothing.
        if let Some(metadata) = manifest["metadata"].as_object_mut() {
            metadata.remove("ownerReferences");
        }
        let params = PatchParams::apply(FIELD_MANAGER).force().dry_run();
        match api.patch(name, &params, &Patch::Apply(&manifest)).await {
            Ok(_) => Step::passed("template", "the API server accepts the Deployment made of worker.template"),
            Err(error) => match template_refusal(&error) {
                Some(message) => Step::failed("template", message, remedy),
                None => {
                    Step::skipped("template", "not tried: you may not patch Deployments, or the API server is away")
                }
            },
        }
    }
}

impl KnownSecrets {
    pub fn state(&self, name: &str) -> SecretState {
        self.0.get(name).cloned().unwrap_or(SecretState::Missing)
    }

    /// All of them could be read.
    pub fn complete(&self) -> bool {
        self.0.values().all(|state| matches!(state, SecretState::Found(_)))
    }

    /// The keys that pods mount: one that is missing keeps them from starting.
    pub fn worker_login(&self, login: Option<&WorkerLogin>, steps: &mut Vec<Step>) {
        let Some(login) = login else { return };
        let keys = broker::worker_credentials(login);
        let SecretState::Found(secret) = self.state(&keys.secret) else { return };
        let missing: Vec<&str> =
            keys.files.iter().map(|(key, _)| key.as_str()).filter(|key| !secret.data.contains_key(*key)).collect();
        steps.push(if missing.is_empty() {
            Step::passed("workerCredentials", format!("Secret {} has all that the workers mount", keys.secret))
        } else {
            let detail =
                format!("Secret {} has no {}: pods that mount it do not start", keys.secret, missing.join(", "));
            Step::failed("workerCredentials", detail, "add it, or name other keys in worker.credentials")
        });
    }
}
