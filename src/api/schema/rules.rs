//! What the API server refuses, and what it says: one function per object, used by the types as
//! `x-kubernetes-validations`.
//!
//! * A message says what to write instead.
//! * Rules with a reason do not echo the value. Only durations and quantities lack one, so that
//!   the offending text is shown; nothing that can hold a secret may.
//! * Rules that compare durations first ask whether they are durations: a rule that fails to
//!   evaluate is reported in the API server's words instead of ours.
//! * The functions used are those of Kubernetes 1.30.

pub mod kafka;
pub mod sqs;

use kube::core::{Reason, Rule};

use crate::api::{defaults, duration, names, uri};

pub(super) fn forbidden(rule: impl Into<String>, message: &str) -> Rule {
    Rule::new(rule).message(message).reason(Reason::FieldValueForbidden)
}

fn required(rule: impl Into<String>, message: &str) -> Rule {
    Rule::new(rule).message(message).reason(Reason::FieldValueRequired)
}

/// The pool itself. The name becomes that of a Deployment (its pods get a suffix of 16 characters)
/// and, with a suffix of ours, of a ConfigMap; and the value of a label, at most 63 characters.
pub fn pool() -> Vec<Rule> {
    vec![
        forbidden(
            "size(self.metadata.name) <= 50",
            "write a name of at most 50 characters: labels and the names of pods are made of it",
        )
        .field_path(".metadata.name"),
    ]
}

pub fn spec() -> Vec<Rule> {
    let drain =
        format!("(has(self.drain) && has(self.drain.timeout) ? self.drain.timeout : '{}')", defaults::DRAIN_TIMEOUT);
    let task = format!("(has(self.worker.taskTimeout) ? self.worker.taskTimeout : {drain})");
    vec![
        forbidden(
            format!(
                "!has(self.worker.taskTimeout) || !{task}.matches('{p}') || !{drain}.matches('{p}') || \
                 duration({task}) <= duration({drain})",
                p = duration::PATTERN
            ),
            &format!(
                "write at most the value of spec.drain.timeout (default {}), or raise that: a worker that should go \
                 finishes its task first",
                defaults::DRAIN_TIMEOUT
            ),
        )
        .field_path(".worker.taskTimeout"),
        forbidden(
            format!(
                "!has(self.worker.template) || !has(self.worker.template.spec.terminationGracePeriodSeconds) || \
                 !{task}.matches('{p}') || \
                 self.worker.template.spec.terminationGracePeriodSeconds >= duration({task}).getSeconds()",
                p = duration::PATTERN
            ),
            "leave it out (it becomes spec.drain.timeout + 60s) or write at least spec.worker.taskTimeout in seconds: a \
             rollout would kill running tasks",
        )
        .field_path(".worker.template.spec.terminationGracePeriodSeconds"),
        required(
            "!has(self.worker.targetRef) || has(self.worker.statusPort) || \
             (has(self.prefetch) && has(self.prefetch.fixed))",
            "write prefetch.fixed, the number of tasks that a worker of the target holds at once, or set \
             worker.statusPort: nothing else tells it",
        )
        .field_path(".prefetch"),
        forbidden(
            "!has(self.deadLetter) || !has(self.deadLetter.queue) || !has(self.broker.rabbitmq) || \
             !self.broker.rabbitmq.queues.exists(q, q == self.deadLetter.queue)",
            "name another queue than the pool's own: dead letters would be done again and again",
        )
        .field_path(".deadLetter.queue"),
        forbidden(
            "!has(self.deadLetter) || !has(self.deadLetter.queue) || !has(self.broker.sqs) || \
             (self.deadLetter.queue.startsWith('http') && !self.deadLetter.queue.contains('@') && \
             self.deadLetter.queue != self.broker.sqs.queueUrl)",
            "with sqs write the URL of another queue than the pool's own, without credentials",
        )
        .field_path(".deadLetter.queue"),
        forbidden(
            "!has(self.deadLetter) || !has(self.deadLetter.queue) || !has(self.broker.kafka) || \
             (self.deadLetter.queue.matches('^[a-zA-Z0-9._-]{1,249}$') && \
             !self.broker.kafka.topics.exists(topic, topic == self.deadLetter.queue))",
            "with kafka write the name of another topic than the pool's own",
        )
        .field_path(".deadLetter.queue"),
        forbidden(
            "!has(self.broker.kafka) || !has(self.broker.kafka.startFrom) || !has(self.scaling) || \
             ((!has(self.scaling.minReplicas) || self.scaling.minReplicas == 0) && !has(self.scaling.fallback))",
            "with broker.kafka.startFrom leave out minReplicas and fallback: no worker may start before the group's \
             offsets are set",
        )
        .field_path(".scaling"),
        forbidden(
            "!has(self.broker.sqs) || !has(self.worker.credentials) || \
             !(has(self.worker.credentials.secretRef.usernameKey) || \
             has(self.worker.credentials.secretRef.passwordKey))",
            "with sqs write the Secret's name alone: it has the keys AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for \
             temporary ones, AWS_SESSION_TOKEN",
        )
        .field_path(".worker.credentials.secretRef"),
        forbidden(
            "!has(self.deadLetter) || !has(self.deadLetter.queue) || !has(self.broker.rabbitmq) || \
             !has(self.broker.rabbitmq.declare)",
            "name it in broker.rabbitmq.declare.deadLetter.queue instead: with declare, that says where dead letters go",
        )
        .field_path(".deadLetter.queue"),
    ]
}

pub fn broker() -> Vec<Rule> {
    vec![forbidden(
        "[has(self.rabbitmq), has(self.sqs), has(self.kafka)].exists_one(member, member)",
        "write exactly one of rabbitmq, sqs and kafka",
    )]
}

/// About addresses, which may hold credentials: no rule on the strings themselves.
pub fn rabbitmq() -> Vec<Rule> {
    const NO_CREDENTIALS: &str = "write it without credentials, which belong in the Secret named by \
                                  credentials.secretRef.name (an @ in a vhost's name is written %40)";
    vec![
        forbidden("!self.uri.contains('@')", NO_CREDENTIALS).field_path(".uri"),
        forbidden(format!("self.uri.contains('@') || self.uri.matches(r'{}')", uri::AMQP), uri::AMQP_REMEDY)
            .field_path(".uri"),
        forbidden("!has(self.managementUri) || !self.managementUri.contains('@')", NO_CREDENTIALS)
            .field_path(".managementUri"),
        forbidden(
            format!(
                "!has(self.managementUri) || self.managementUri.contains('@') || self.managementUri.matches(r'{}')",
                uri::MANAGEMENT
            ),
            uri::MANAGEMENT_REMEDY,
        )
        .field_path(".managementUri"),
        forbidden(
            "!has(self.tls) || !self.uri.startsWith('amqp://')",
            "tls needs an encrypted address: write amqps://, or leave tls out",
        )
        .field_path(".uri"),
        forbidden(
            "!has(self.tls) || !has(self.managementUri) || !self.managementUri.contains('http://')",
            "tls needs an encrypted address: write https://, or leave tls out",
        )
        .field_path(".managementUri"),
        forbidden(
            "!has(self.declare) || !has(self.declare.deadLetter) || \
             !self.queues.exists(q, q == self.declare.deadLetter.queue)",
            "name another queue than the pool's own: dead letters would be done again and again",
        )
        .field_path(".declare.deadLetter.queue"),
        forbidden("self.queues.size() == 1", "name exactly one queue; a second queue needs a pool of its own")
            .field_path(".queues"),
        forbidden(
            "self.queues.all(q, q != '' && bytes(q).size() <= 255 && !q.startsWith('amq.'))",
            "write a name of 1 to 255 bytes that does not start with amq., which RabbitMQ keeps for itself",
        )
        .field_path(".queues"),
    ]
}

pub fn worker() -> Vec<Rule> {
    let container_exists = |field: &str| {
        forbidden(
            format!(
                "!has(self.template) || !has(self.{field}) || \
                 self.template.spec.containers.exists(c, c.name == self.{field})"
            ),
            "write the name of a container in template.spec.containers, or leave it out for the first one",
        )
        .field_path(format!(".{field}"))
    };
    let template_only = |field: &str| {
        forbidden(
            format!("!has(self.targetRef) || !has(self.{field})"),
            "leave it out: with targetRef nothing reaches the pods, so it has to be set in the Deployment itself",
        )
        .field_path(format!(".{field}"))
    };
    vec![
        forbidden("has(self.template) != has(self.targetRef)", "write exactly one of template and targetRef"),
        forbidden(
            "has(self.template) == has(oldSelf.template)",
            "a pool cannot change between template and targetRef: create a pool of another name, or delete this one first",
        ),
        container_exists("container"),
        container_exists("memoryContainer"),
        template_only("credentials"),
        template_only("taskTimeout"),
    ]
}

pub fn target_ref() -> Vec<Rule> {
    vec![forbidden(
        "self.apiVersion == 'apps/v1' && self.kind == 'Deployment'",
        "write apiVersion: apps/v1 and kind: Deployment: nothing else is scaled",
    )]
}

pub fn prefetch() -> Vec<Rule> {
    vec![forbidden(
        "has(self.auto) != has(self.fixed)",
        "write exactly one of auto and fixed; auto: {} for its defaults",
    )]
}

pub fn auto_prefetch() -> Vec<Rule> {
    let (min, max) = (defaults::PREFETCH_MIN, defaults::PREFETCH_MAX);
    vec![
        forbidden(
            format!("(has(self.min) ? self.min : {min}) <= (has(self.max) ? self.max : {max})"),
            &format!("write at most the value of max (default {max}), or raise that"),
        )
        .field_path(".min"),
    ]
}

pub fn scaling() -> Vec<Rule> {
    let max = format!("(has(self.maxReplicas) ? self.maxReplicas : {})", defaults::MAX_REPLICAS);
    let message = format!("write at most the value of maxReplicas (default {}), or raise that", defaults::MAX_REPLICAS);
    vec![
        forbidden(format!("!has(self.minReplicas) || self.minReplicas <= {max}"), &message).field_path(".minReplicas"),
        forbidden(format!("!has(self.fallback) || self.fallback.replicas <= {max}"), &message)
            .field_path(".fallback.replicas"),
    ]
}

/// More than nothing, and no longer than [`duration::LONGEST`].
pub fn duration() -> Vec<Rule> {
    let (pattern, longest) = (duration::PATTERN, duration::LONGEST);
    vec![
        Rule::new(format!(
            "self.matches('{pattern}') && duration(self) > duration('0s') && duration(self) <= duration('{longest}')"
        ))
        .message(format!("write a duration of more than 0s and at most {longest}, such as 90s, 25m or 1h30m").as_str()),
    ]
}

/// The same, nothing included.
pub fn duration_from_zero() -> Vec<Rule> {
    let (pattern, longest) = (duration::PATTERN, duration::LONGEST);
    vec![
        Rule::new(format!("self.matches('{pattern}') && duration(self) <= duration('{longest}')"))
            .message(format!("write a duration of at most {longest}, such as 0s, 90s or 25m").as_str()),
    ]
}

/// More than nothing.
pub fn quantity() -> Vec<Rule> {
    vec![
        Rule::new(
            "isQuantity(self) && quantity(self).isGreaterThan(quantity('0')) && \
             quantity(self).isLessThan(quantity('1Ei'))",
        )
        .message("write a quantity of more than 0, such as 300Mi or 2Gi"),
    ]
}

pub fn pod_template() -> Vec<Rule> {
    let foreign = |field: &str| {
        forbidden(
            format!("!has(self.metadata) || !has(self.metadata.{field}) || self.metadata.{field}.all(key, !key.startsWith('{}/'))", names::DOMAIN),
            &format!("leave out what starts with {}/: the operator sets it", names::DOMAIN),
        )
        .field_path(format!(".metadata.{field}"))
    };
    vec![foreign("labels"), foreign("annotations")]
}

pub fn pod_spec() -> Vec<Rule> {
    vec![
        required("self.containers.size() > 0", "list the worker's container: a name and an image at least")
            .field_path(".containers"),
        forbidden(
            "!has(self.restartPolicy) || self.restartPolicy == 'Always'",
            "leave it out or write Always: workers run until they are told to stop",
        )
        .field_path(".restartPolicy"),
        forbidden(
            format!("!has(self.volumes) || self.volumes.all(v, !v.name.startsWith('{}'))", names::pod::VOLUME_PREFIX),
            &format!(
                "write a name that does not start with {}: the operator adds volumes of such names",
                names::pod::VOLUME_PREFIX
            ),
        )
        .field_path(".volumes"),
    ]
}

pub fn container() -> Vec<Rule> {
    let owned = names::env::OWNED.map(|name| format!("'{name}'")).join(", ");
    let root = names::pod::MOUNT_ROOT;
    vec![
        forbidden(
            format!("!has(self.env) || self.env.all(e, !(e.name in [{owned}]))"),
            "leave out AWP_ variables that the operator sets: AWP_URI, AWP_QUEUE, AWP_PREFETCH and the like",
        )
        .field_path(".env"),
        forbidden(
            format!("!has(self.volumeMounts) || self.volumeMounts.all(m, !m.mountPath.startsWith('{root}'))"),
            &format!("write a mountPath outside {root}: the operator mounts there"),
        )
        .field_path(".volumeMounts"),
    ]
}
