//! Step 2: a plan of the spec and what it names, or what is wrong and what to do about it.

use super::Context;
use super::broker::{self, Asker, Environment, Remedies};
use super::build::WorkerContract;
use super::dereference::{self, Found};
use super::memory::Memory;
use super::objects::Deployment;
use super::secrets::Secrets;
use super::siblings;
use super::world::PoolKey;
use crate::api::names::reasons;
use crate::api::sizes::{Size, Sizes};
use crate::api::{AgentWorkerPool, AgentWorkerPoolSpec, duration, parsed, quantity};
use crate::brokers::{DeadLetterTarget, Source};
use crate::scaling::prefetch::prefetch;
use crate::scaling::settings::{Mode, Prefetch, Settings};

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
    /// Where the user wants dead letters.
    pub dead_letter: Option<DeadLetterTarget>,
    /// Whether the broker can tell the dead-letter target, sooner or later.
    pub tells_facts: bool,
    pub remedies: Remedies,
}

pub fn validate(
    context: &Context,
    key: &PoolKey,
    found: &Found,
    spec: &parsed::Pool,
    memory: &Memory,
) -> Result<Plan, Refusal> {
    check_owner(context, key, found, spec)?;
    let pod = worker_pod(found.deployment.as_deref(), spec)?;
    let settings = settings(&found.pool.spec, spec, pod)?;
    let dead_letter_queue = spec.dead_letter_queue.as_deref();
    let look_up = |name: &str| dereference::secret(memory, name);
    let secrets = Secrets { look_up: &look_up, namespace: &key.namespace };
    let reading = broker::reading(spec, &Asker { key, secrets, aws: &context.parts.aws })?;
    // Paused writes nothing, at the broker as little as here.
    let paused = settings.mode == Mode::Paused;
    Ok(Plan {
        contract: contract(spec, reading.environment),
        source: if paused { reading.source.reading_only() } else { reading.source },
        settings,
        status_port: spec.status_port,
        dead_letter: dead_letter_queue.map(|queue| broker::dead_letter_target(&spec.broker, queue)),
        tells_facts: reading.tells_facts,
        remedies: reading.remedies,
    })
}

/// The law's settings of a pool whose workers are pods like `pod`; `None` = not to be seen.
pub fn settings(spec: &AgentWorkerPoolSpec, pool: &parsed::Pool, pod: Option<&Sizes>) -> Result<Settings, Refusal> {
    let container_memory = pod.and_then(|pod| memory_container(pool, &pod.containers)?.memory);
    let settings = spec
        .settings(container_memory, pod.and_then(Sizes::memory))
        .map_err(|invalid| Refusal::wrong(reasons::INVALID_SPEC, invalid.to_string()))?;
    check_memory(&settings)?;
    Ok(settings)
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
        let name = &autoscaler.name;
        let who = autoscaler.scaled_object.as_ref().map_or_else(
            || format!("HorizontalPodAutoscaler {name}"),
            |object| format!("HorizontalPodAutoscaler {name} of KEDA's ScaledObject {object}"),
        );
        return Err(Refusal::wrong(
            reasons::AUTOSCALER_PRESENT,
            format!("{who} scales the same Deployment; delete it, or this pool: replicas are left to it until then"),
        ));
    }
    match &spec.worker {
        parsed::Worker::Template(_) => {
            let live = found.deployment.as_ref();
            let controller = live.map(|live| controls(&found.pool, live.controller.as_deref()));
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

/// Whether the pool is the controller with this UID: a name alone may be a namesake's.
pub fn controls(pool: &AgentWorkerPool, controller: Option<&str>) -> bool {
    controller.is_some() && controller == pool.metadata.uid.as_deref()
}

/// The pod that workers are made from: the pool's own template, or that of the Deployment it targets.
pub fn worker_pod<'a>(
    deployment: Option<&'a Deployment>,
    spec: &'a parsed::Pool,
) -> Result<Option<&'a Sizes>, Refusal> {
    match &spec.worker {
        parsed::Worker::Template(template) => Ok(Some(&template.pod.sizes)),
        parsed::Worker::TargetRef(target) => {
            let deployment = deployment.ok_or_else(|| {
                let message = format!("Deployment {} is not in this namespace; it may come later", target.name);
                Refusal::waiting(reasons::TARGET_NOT_FOUND, message)
            })?;
            Ok(Some(&deployment.sizes))
        }
    }
}

fn memory_container<'a>(spec: &parsed::Pool, containers: &'a [Size]) -> Option<&'a Size> {
    let name = match &spec.worker {
        parsed::Worker::Template(template) => Some(&template.memory_container),
        parsed::Worker::TargetRef(target) => target.memory_container.as_ref().or(target.container.as_ref()),
    };
    match name {
        Some(name) => containers.iter().find(|size| *size.container == **name),
        None => containers.first(),
    }
}

/// What the pool's own workers are told; `None` with `targetRef`.
pub fn contract(spec: &parsed::Pool, environment: Environment) -> Option<WorkerContract> {
    let parsed::Worker::Template(template) = &spec.worker else { return None };
    Some(WorkerContract {
        container: template.container.clone(),
        environment,
        credentials: template.login.as_ref().map(broker::worker_credentials),
        status_port: spec.status_port,
        task_timeout: duration::format(spec.task_timeout),
        drain_timeout: spec.drain_timeout,
    })
}
