//! A spec that has been understood: one-ofs as enums, defaults filled in.
//!
//! The CRD's rules refuse most of what is refused here; it is checked again because a CRD may be
//! older than the operator, and because nothing after this step wants to ask again.

mod broker;
mod declare;
mod kafka;
mod rabbitmq;
mod sqs;

use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde::Deserialize;

use super::invalid::Invalid;
use super::sizes::Sizes;
use super::spec::{self, AgentWorkerPoolSpec};

pub use broker::{Broker, Login, WorkerLogin};
pub use declare::{DeadLetter, Declare};
pub use kafka::Kafka;
pub use rabbitmq::RabbitMq;
pub use sqs::{Access, AwsKeys, Sqs};

/// What a pool wants, without its numbers (those are [`AgentWorkerPoolSpec::settings`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    pub broker: Broker,
    pub worker: Worker,
    /// Port of the workers' status endpoint, if they have one.
    pub status_port: Option<u16>,
    /// Seconds one task may run.
    pub task_timeout: f64,
    /// Seconds after which a busy worker that should go is mentioned.
    pub drain_timeout: f64,
    /// Where dead letters go, if the user says so; else the queue's own settings tell.
    pub dead_letter_queue: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Worker {
    /// The operator owns a Deployment.
    Template(Box<Template>),
    /// Someone else owns it; only its scale is written.
    TargetRef(TargetRef),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    pub pod: PodTemplate,
    /// The consumer; a container of `pod`.
    pub container: String,
    /// Whose memory limit decides prefetch; a container of `pod`.
    pub memory_container: String,
    /// The workers' login: their own, else the broker's.
    pub login: Option<WorkerLogin>,
}

/// What workers are made from. A template is large in memory, and seldom looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodTemplate {
    pub json: Box<str>,
    pub sizes: Sizes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRef {
    /// A Deployment of apps/v1 in the pool's namespace.
    pub name: String,
    /// `None` = the first container.
    pub container: Option<String>,
    /// `None` = the same.
    pub memory_container: Option<String>,
}

impl TryFrom<&AgentWorkerPoolSpec> for Pool {
    type Error = Invalid;

    fn try_from(spec: &AgentWorkerPoolSpec) -> Result<Self, Invalid> {
        let broker = Broker::try_from(&spec.broker)?;
        let worker = worker(spec, &broker)?;
        let dead_letter_queue = spec.dead_letter.as_ref().and_then(|dead_letter| dead_letter.queue.clone());
        if dead_letter_queue.is_some() && broker.declares_dead_letters() {
            return Err(Invalid::new("spec.deadLetter.queue", "name it in broker.rabbitmq.declare.deadLetter.queue"));
        }
        if dead_letter_queue.as_ref().is_some_and(|queue| broker.takes_from(queue)) {
            return Err(Invalid::new("spec.deadLetter.queue", "name another queue than the pool's own"));
        }
        Ok(Self {
            broker,
            worker,
            status_port: status_port(spec.worker.status_port)?,
            task_timeout: spec.task_timeout()?,
            drain_timeout: spec.drain_timeout()?,
            dead_letter_queue,
        })
    }
}

fn worker(spec: &AgentWorkerPoolSpec, broker: &Broker) -> Result<Worker, Invalid> {
    let worker = &spec.worker;
    match (&worker.template, &worker.target_ref) {
        (Some(pod), None) => Ok(Worker::Template(Box::new(template(worker, pod, broker)?))),
        (None, Some(target)) => Ok(Worker::TargetRef(target_ref(spec, target)?)),
        _ => Err(Invalid::new("spec.worker", "write exactly one of template and targetRef")),
    }
}

fn template(worker: &spec::Worker, pod: &PodTemplateSpec, broker: &Broker) -> Result<Template, Invalid> {
    let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let Some(first) = containers.first() else {
        return Err(Invalid::new("spec.worker.template.spec.containers", "list the worker's container"));
    };
    let container = worker.container.as_ref().unwrap_or(&first.name);
    let memory_container = worker.memory_container.as_ref().unwrap_or(container);
    for (field, name) in [("container", container), ("memoryContainer", memory_container)] {
        if !containers.iter().any(|container| container.name == *name) {
            return Err(Invalid::new(
                format!("spec.worker.{field}"),
                "write the name of a container of the template, or leave it out for the first one",
            ));
        }
    }
    Ok(Template {
        pod: PodTemplate::try_from(pod)?,
        container: container.clone(),
        memory_container: memory_container.clone(),
        login: broker.worker_login(worker.credentials.as_ref()),
    })
}

impl TryFrom<&PodTemplateSpec> for PodTemplate {
    type Error = Invalid;

    fn try_from(template: &PodTemplateSpec) -> Result<Self, Invalid> {
        #[derive(Deserialize)]
        struct Wire {
            spec: Option<Sizes>,
        }
        let odd = |_| Invalid::new("spec.worker.template", "write a pod template as in a Deployment");
        let json = serde_json::to_string(template).map_err(odd)?;
        let Wire { spec } = serde_json::from_str(&json).map_err(odd)?;
        Ok(Self { json: json.into(), sizes: spec.unwrap_or_default() })
    }
}

fn target_ref(spec: &AgentWorkerPoolSpec, target: &spec::TargetRef) -> Result<TargetRef, Invalid> {
    if target.api_version != "apps/v1" || target.kind != "Deployment" {
        return Err(Invalid::new("spec.worker.targetRef", "write apiVersion: apps/v1 and kind: Deployment"));
    }
    let fixed = spec.prefetch.as_ref().is_some_and(|prefetch| prefetch.fixed.is_some());
    if spec.worker.status_port.is_none() && !fixed {
        return Err(Invalid::new(
            "spec.prefetch.fixed",
            "write how many tasks a worker of the target holds at once, or set worker.statusPort",
        ));
    }
    Ok(TargetRef {
        name: target.name.clone(),
        container: spec.worker.container.clone(),
        memory_container: spec.worker.memory_container.clone(),
    })
}

fn status_port(port: Option<u16>) -> Result<Option<u16>, Invalid> {
    match port {
        Some(0) => Err(Invalid::new("spec.worker.statusPort", "write a port from 1 to 65535")),
        port => Ok(port),
    }
}

#[cfg(test)]
mod tests;
