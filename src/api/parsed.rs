//! A spec that has been understood: one-ofs as enums, defaults filled in.
//!
//! The CRD's rules refuse most of what is refused here; it is checked again because a CRD may be
//! older than the operator, and because nothing after this step wants to ask again.

use k8s_openapi::api::core::v1::PodTemplateSpec;

use super::invalid::Invalid;
use super::names::secret_keys;
use super::spec::{self, AgentWorkerPoolSpec};

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
pub enum Broker {
    RabbitMq(RabbitMq),
}

#[derive(Clone, Debug, PartialEq)]
pub struct RabbitMq {
    /// Without credentials, and without a bare slash at the end, about which clients disagree.
    /// Its shape is checked by whoever connects.
    pub uri: String,
    pub management_uri: Option<String>,
    pub login: Option<Login>,
    /// Secret with `ca.crt`, `tls.crt`, `tls.key`, all optional.
    pub tls_secret: Option<String>,
    pub queue: String,
}

/// Where a user name and a password are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Login {
    pub secret: String,
    pub username_key: String,
    pub password_key: String,
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
    pub pod: PodTemplateSpec,
    /// The consumer; a container of `pod`.
    pub container: String,
    /// Whose memory limit decides prefetch; a container of `pod`.
    pub memory_container: String,
    /// The workers' login: their own, else the broker's.
    pub login: Option<Login>,
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
        let broker = broker(&spec.broker)?;
        let worker = worker(spec, &broker)?;
        let dead_letter_queue = spec.dead_letter.as_ref().and_then(|dead_letter| dead_letter.queue.clone());
        let Broker::RabbitMq(RabbitMq { queue, .. }) = &broker;
        if dead_letter_queue.as_ref() == Some(queue) {
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

fn broker(broker: &spec::Broker) -> Result<Broker, Invalid> {
    match (&broker.rabbitmq, &broker.sqs, &broker.kafka) {
        (Some(rabbitmq), None, None) => Ok(Broker::RabbitMq(self::rabbitmq(rabbitmq)?)),
        (None, Some(_), None) => Err(Invalid::new("spec.broker.sqs", "write rabbitmq: SQS cannot be read yet")),
        (None, None, Some(_)) => Err(Invalid::new("spec.broker.kafka", "write rabbitmq: Kafka cannot be read yet")),
        _ => Err(Invalid::new("spec.broker", "write exactly one of rabbitmq, sqs and kafka")),
    }
}

fn rabbitmq(rabbitmq: &spec::RabbitMq) -> Result<RabbitMq, Invalid> {
    let field = |name: &str| format!("spec.broker.rabbitmq.{name}");
    let addresses = [("uri", Some(&rabbitmq.uri)), ("managementUri", rabbitmq.management_uri.as_ref())];
    for (name, address) in addresses {
        if address.is_some_and(|address| address.contains('@')) {
            return Err(Invalid::new(field(name), "write it without credentials: they belong in a Secret"));
        }
    }
    if rabbitmq.tls.is_some() {
        let plain_management = rabbitmq.management_uri.as_ref().is_some_and(|uri| uri.contains("http:"));
        if rabbitmq.uri.starts_with("amqp:") || plain_management {
            return Err(Invalid::new(field("tls"), "write amqps:// and https:// addresses with it, or leave it out"));
        }
    }
    let [queue] = rabbitmq.queues.as_slice() else {
        return Err(Invalid::new(field("queues"), "name exactly one queue; a second queue needs a pool of its own"));
    };
    if queue.is_empty() || queue.len() > 255 || queue.starts_with("amq.") {
        return Err(Invalid::new(field("queues"), "write a name of 1 to 255 bytes that does not start with amq."));
    }
    Ok(RabbitMq {
        uri: rabbitmq.uri.strip_suffix('/').unwrap_or(&rabbitmq.uri).to_owned(),
        management_uri: rabbitmq.management_uri.clone(),
        login: rabbitmq.credentials.as_ref().map(login),
        tls_secret: rabbitmq.tls.as_ref().map(|tls| tls.secret_ref.name.clone()),
        queue: queue.clone(),
    })
}

fn login(credentials: &spec::Credentials) -> Login {
    let spec::SecretRef { name, username_key, password_key } = credentials.secret_ref.clone();
    Login {
        secret: name,
        username_key: username_key.unwrap_or_else(|| secret_keys::USERNAME.to_owned()),
        password_key: password_key.unwrap_or_else(|| secret_keys::PASSWORD.to_owned()),
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
    let Broker::RabbitMq(RabbitMq { login: broker_login, .. }) = broker;
    Ok(Template {
        pod: pod.clone(),
        container: container.clone(),
        memory_container: memory_container.clone(),
        login: worker.credentials.as_ref().map(login).or_else(|| broker_login.clone()),
    })
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
