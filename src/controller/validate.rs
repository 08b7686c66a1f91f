//! Step 2: a plan of the spec and what it names, or what is wrong and what to do about it.

use k8s_openapi::api::core::v1::{Container, PodSpec, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use super::Context;
use super::build::{SecretKeys, WorkerContract};
use super::dereference::{self, Found, SecretState};
use super::memory::Memory;
use super::pods;
use super::siblings;
use super::world::PoolKey;
use crate::api::names::{reasons, secret_keys};
use crate::api::{AgentWorkerPool, duration, parsed, quantity};
use crate::brokers::{Source, rabbitmq};
use crate::scaling::prefetch::prefetch;
use crate::scaling::settings::{Prefetch, Settings};

/// Why a pool cannot be worked with now. No replica is touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: &'static str,
    /// What is the case and what to do.
    pub message: String,
    pub kind: RefusalKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Ordinary in GitOps, where things are applied in any order: it may come by itself.
    Waiting,
    /// A person must act.
    Wrong,
    /// Nothing is known yet: say nothing, look again.
    Pending,
}

impl Refusal {
    pub fn waiting(reason: &'static str, message: String) -> Self {
        Self { reason, message, kind: RefusalKind::Waiting }
    }

    pub fn wrong(reason: &'static str, message: String) -> Self {
        Self { reason, message, kind: RefusalKind::Wrong }
    }

    pub fn pending() -> Self {
        Self { reason: reasons::PROGRESSING, message: String::new(), kind: RefusalKind::Pending }
    }
}

/// A pool that can be worked with.
#[derive(Debug)]
pub struct Plan {
    pub source: Source,
    pub settings: Settings,
    pub status_port: Option<u16>,
    /// `None` with `targetRef`: nothing is put into somebody else's pods.
    pub contract: Option<WorkerContract>,
    /// The dead-letter queue the user names.
    pub dead_letter_queue: Option<String>,
    /// Whether the broker can tell the dead-letter target and unacked counts at all.
    pub management: bool,
}

pub fn validate(
    context: &Context,
    key: &PoolKey,
    found: &Found,
    spec: &parsed::Pool,
    memory: &Memory,
) -> Result<Plan, Refusal> {
    check_owner(context, key, found, spec)?;
    let pod = worker_pod(found, spec)?;
    let containers = pod.map(|pod| pod.containers.as_slice()).unwrap_or_default();
    let container_memory = memory_container(spec, containers).and_then(pods::container_memory);
    let sidecars = pod.and_then(|pod| pod.init_containers.as_deref()).unwrap_or_default();
    let worker_memory = pods::worker_memory(containers, sidecars).filter(|_| !containers.is_empty());
    let settings = found
        .pool
        .spec
        .settings(container_memory, worker_memory)
        .map_err(|invalid| Refusal::wrong(reasons::INVALID_SPEC, invalid.to_string()))?;
    check_memory(&settings)?;
    let parsed::Broker::RabbitMq(rabbitmq) = &spec.broker;
    let source = source(rabbitmq, spec, memory, key)?;
    Ok(Plan {
        contract: contract(spec, rabbitmq, &source),
        source,
        settings,
        status_port: spec.status_port,
        dead_letter_queue: spec.dead_letter_queue.clone(),
        management: rabbitmq.management_uri.is_some(),
    })
}

/// A container that cannot hold one task would be killed by it, again and again.
fn check_memory(settings: &Settings) -> Result<(), Refusal> {
    let Prefetch::Auto { task_memory, .. } = settings.prefetch else { return Ok(()) };
    let (Some(needed), Some(limit)) = (prefetch(settings, task_memory, None).needed, settings.container_memory) else {
        return Ok(());
    };
    Err(Refusal::wrong(
        reasons::MEMORY_TOO_SMALL,
        format!(
            "the container's memory limit of {} has no room for one task; raise it to {}, or lower \
             prefetch.auto.baseMemory or taskMemory if they are guessed too high",
            quantity::format(limit),
            quantity::format(needed)
        ),
    ))
}

/// Nobody else may be at the Deployment: not its owner, not another pool, not an autoscaler.
fn check_owner(context: &Context, key: &PoolKey, found: &Found, spec: &parsed::Pool) -> Result<(), Refusal> {
    if let Some(autoscaler) = &found.autoscaler {
        let keda = autoscaler.labels().get("scaledobject.keda.sh/name");
        let who = keda.map_or_else(
            || format!("HorizontalPodAutoscaler {}", autoscaler.name_any()),
            |object| format!("HorizontalPodAutoscaler {} of KEDA's ScaledObject {object}", autoscaler.name_any()),
        );
        return Err(Refusal::wrong(
            reasons::AUTOSCALER_PRESENT,
            format!("{who} scales the same Deployment; delete it, or this pool: replicas are left to it until then"),
        ));
    }
    match &spec.worker {
        parsed::Worker::Template(_) => {
            let controller = found.deployment.as_ref().map(|live| is_controlled_by(&found.pool, &live.metadata));
            if controller == Some(false) {
                return Err(Refusal::wrong(
                    reasons::NAME_TAKEN,
                    format!(
                        "a Deployment {} is here already and not this pool's; rename the pool, delete the \
                         Deployment, or let the pool scale it by worker.targetRef",
                        key.name
                    ),
                ));
            }
        }
        parsed::Worker::TargetRef(target) => {
            if let Some(older) = siblings::older_on_target(context, &key.namespace, &target.name, key) {
                return Err(Refusal::wrong(
                    reasons::TARGET_TAKEN,
                    format!(
                        "pool {} was first to target Deployment {}; delete one of the two",
                        older.name, target.name
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// By UID: a name alone may be a namesake's.
pub fn is_controlled_by(pool: &AgentWorkerPool, object: &ObjectMeta) -> bool {
    let owners = object.owner_references.iter().flatten();
    owners.into_iter().any(|owner| owner.controller == Some(true) && Some(&owner.uid) == pool.metadata.uid.as_ref())
}

fn worker_pod<'a>(found: &'a Found, spec: &'a parsed::Pool) -> Result<Option<&'a PodSpec>, Refusal> {
    match &spec.worker {
        parsed::Worker::Template(template) => Ok(template.pod.spec.as_ref()),
        parsed::Worker::TargetRef(target) => {
            let deployment = found.deployment.as_ref().ok_or_else(|| {
                let message = format!("Deployment {} is not in this namespace; it may come later", target.name);
                Refusal::waiting(reasons::TARGET_NOT_FOUND, message)
            })?;
            Ok(deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()))
        }
    }
}

fn memory_container<'a>(spec: &parsed::Pool, containers: &'a [Container]) -> Option<&'a Container> {
    let name = match &spec.worker {
        parsed::Worker::Template(template) => Some(&template.memory_container),
        parsed::Worker::TargetRef(target) => target.memory_container.as_ref().or(target.container.as_ref()),
    };
    match name {
        Some(name) => containers.iter().find(|container| container.name == *name),
        None => containers.first(),
    }
}

fn source(rabbitmq: &parsed::RabbitMq, spec: &parsed::Pool, memory: &Memory, key: &PoolKey) -> Result<Source, Refusal> {
    let (username, password) = match &rabbitmq.login {
        // RabbitMQ's own default, which it accepts from its own host only.
        None => ("guest".to_owned(), "guest".to_owned()),
        Some(login) => {
            let secret = named_secret(memory, &login.secret, key)?;
            (
                text_key(&secret, &login.secret, &login.username_key)?,
                text_key(&secret, &login.secret, &login.password_key)?,
            )
        }
    };
    let (ca, client) = match &rabbitmq.tls_secret {
        None => (None, None),
        Some(name) => {
            let secret = named_secret(memory, name, key)?;
            let file = |key: &str| secret.data.as_ref().and_then(|data| data.get(key)).map(|bytes| bytes.0.clone());
            (file(secret_keys::CA), file(secret_keys::CERTIFICATE).zip(file(secret_keys::KEY)))
        }
    };
    let broker =
        rabbitmq::Identity::new(&rabbitmq.uri, rabbitmq.management_uri.as_deref(), username, password, ca, client)
            .map_err(|wrong| Refusal::wrong(reasons::INVALID_SPEC, wrong.message))?;
    Ok(Source::RabbitMq(rabbitmq::Source {
        broker,
        queue: rabbitmq.queue.clone(),
        dead_letter_queue: spec.dead_letter_queue.clone(),
    }))
}

fn named_secret(memory: &Memory, name: &str, key: &PoolKey) -> Result<std::sync::Arc<Secret>, Refusal> {
    match dereference::secret(memory, name) {
        SecretState::Found(secret) => Ok(secret),
        SecretState::Pending => Err(Refusal::pending()),
        SecretState::Missing => Err(Refusal::waiting(
            reasons::SECRET_NOT_FOUND,
            format!("Secret {name} is not in this namespace; create it with the keys username and password"),
        )),
        SecretState::Forbidden => Err(Refusal::waiting(
            reasons::SECRET_FORBIDDEN,
            format!(
                "the operator may not read Secret {name}; allow it: kubectl -n {} create role awp-secret-{name} \
                 --verb=get,list,watch --resource=secrets --resource-name={name}, and bind it to the operator's \
                 ServiceAccount",
                key.namespace
            ),
        )),
    }
}

fn text_key(secret: &Secret, name: &str, key: &str) -> Result<String, Refusal> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(key));
    let text = bytes.and_then(|bytes| String::from_utf8(bytes.0.clone()).ok());
    text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned()).filter(|text| !text.is_empty()).ok_or_else(|| {
        Refusal::waiting(reasons::SECRET_INCOMPLETE, format!("Secret {name} has no text under the key {key}; add it"))
    })
}

fn contract(spec: &parsed::Pool, rabbitmq: &parsed::RabbitMq, source: &Source) -> Option<WorkerContract> {
    let parsed::Worker::Template(template) = &spec.worker else { return None };
    let Source::RabbitMq(read) = source;
    let credentials = template.login.as_ref().map(|login| SecretKeys {
        secret: login.secret.clone(),
        username_key: login.username_key.clone(),
        password_key: login.password_key.clone(),
    });
    Some(WorkerContract {
        container: template.container.clone(),
        // As the operator itself reads it: clients disagree about a bare slash and about IPv6 addresses.
        uri: read.broker.uri.clone(),
        queue: rabbitmq.queue.clone(),
        credentials,
        tls_secret: rabbitmq.tls_secret.clone(),
        status_port: spec.status_port,
        task_timeout: duration::format(spec.task_timeout),
        drain_timeout: spec.drain_timeout,
    })
}
