//! The objects a pool owns, as they should be: pure, from the pool's spec to manifests.
//!
//! The pod template carries the whole worker contract from the first release on: adding to it later
//! would roll every pool. What may change while workers run (prefetch, dead-letter target) comes from
//! the pool's ConfigMap instead.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PodTemplateSpec};
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use super::pods::PrefetchHistory;
use crate::api::{AgentWorkerPool, names};
use crate::brokers::DeadLetterTarget;

/// What a worker needs to know to do its job.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerContract {
    /// The consumer's container.
    pub container: String,
    /// `amqp[s]://host:port/vhost`, never credentials.
    pub uri: String,
    pub queue: String,
    pub credentials: SecretKeys,
    pub tls_secret: Option<String>,
    pub status_port: Option<u16>,
    /// As the user wrote it: `25m`.
    pub task_timeout: String,
    /// Seconds.
    pub drain_timeout: f64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretKeys {
    pub secret: String,
    pub username_key: String,
    pub password_key: String,
}

/// Seconds between the end of the drain and SIGKILL: a task that ends at the last moment still has to be
/// acknowledged and the connection closed.
const GRACE_AFTER_DRAIN: f64 = 60.0;

/// The Deployment of a pool with `worker.template`, for server-side apply.
pub fn deployment(
    pool: &AgentWorkerPool,
    template: &PodTemplateSpec,
    contract: &WorkerContract,
    replicas: u32,
) -> Result<Value, serde_json::Error> {
    let mut manifest = json!({
        "apiVersion": Deployment::api_version(&()),
        "kind": Deployment::kind(&()),
        "metadata": owned_metadata(pool, &pool.name_any()),
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { names::POOL_LABEL: pool.name_any() } },
            // Surge first: a rollout never goes below what is busy.
            "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": 0 } },
        },
    });
    manifest["spec"]["template"] = pod_template(pool, template, contract)?;
    Ok(manifest)
}

fn pod_template(
    pool: &AgentWorkerPool,
    template: &PodTemplateSpec,
    contract: &WorkerContract,
) -> Result<Value, serde_json::Error> {
    let mut template = serde_json::to_value(template)?;
    let metadata = object(&mut template, "metadata");
    object(metadata, "labels")[names::POOL_LABEL] = json!(pool.name_any());
    let annotations = object(metadata, "annotations");
    for (name, value) in [(names::SAFE_TO_EVICT, "false"), (names::DO_NOT_DISRUPT, "true")] {
        if annotations.get(name).is_none() {
            annotations[name] = json!(value);
        }
    }
    let spec = object(&mut template, "spec");
    if spec.get("terminationGracePeriodSeconds").is_none_or(Value::is_null) {
        spec["terminationGracePeriodSeconds"] = json!((contract.drain_timeout + GRACE_AFTER_DRAIN).ceil() as i64);
    }
    extend(spec, "volumes", volumes(pool, contract));
    let containers = spec["containers"].as_array_mut();
    if let Some(container) = containers.into_iter().flatten().find(|c| c["name"] == json!(contract.container)) {
        add_environment(container, pool, contract);
        extend(container, "volumeMounts", mounts(contract));
    }
    Ok(template)
}

/// Ours first, so that the user's own variables may refer to them by `$(AWP_QUEUE)`; a user's variable of one
/// of our names gives way.
fn add_environment(container: &mut Value, pool: &AgentWorkerPool, contract: &WorkerContract) {
    let mut env = environment(pool, contract);
    let theirs = container["env"].as_array().cloned().unwrap_or_default();
    let taken: Vec<Value> = env.iter().map(|variable| variable["name"].clone()).collect();
    env.extend(theirs.into_iter().filter(|variable| !taken.contains(&variable["name"])));
    container["env"] = Value::Array(env);
}

fn environment(pool: &AgentWorkerPool, contract: &WorkerContract) -> Vec<Value> {
    let config = names::config_map(&pool.name_any());
    let value = |name: &str, value: &str| json!({ "name": name, "value": value });
    let field = |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": path } } });
    let configured = |name: &str| {
        json!({ "name": name, "valueFrom": { "configMapKeyRef": { "name": config, "key": name, "optional": true } } })
    };
    let mut env = vec![
        value(names::ENV_POOL, &pool.name_any()),
        field(names::ENV_NAMESPACE, "metadata.namespace"),
        field(names::ENV_POD, "metadata.name"),
        field(names::ENV_POD_IP, "status.podIP"),
        value(names::ENV_BROKER, "rabbitmq"),
        value(names::ENV_URI, &contract.uri),
        value(names::ENV_QUEUE, &contract.queue),
        configured(names::ENV_PREFETCH),
        configured(names::ENV_DEAD_LETTER_EXCHANGE),
        configured(names::ENV_DEAD_LETTER_ROUTING_KEY),
        value(names::ENV_TASK_TIMEOUT, &contract.task_timeout),
        value(names::ENV_CREDENTIALS_DIR, names::CREDENTIALS_DIR),
        value(names::ENV_CONTROL_KEYS_DIR, names::CONTROL_KEYS_DIR),
    ];
    if contract.tls_secret.is_some() {
        env.push(value(names::ENV_TLS_DIR, names::TLS_DIR));
    }
    if let Some(port) = contract.status_port {
        env.push(value(names::ENV_STATUS_ADDRESS, &format!("$({}):{port}", names::ENV_POD_IP)));
    }
    env
}

fn volumes(pool: &AgentWorkerPool, contract: &WorkerContract) -> Vec<Value> {
    let keys = &contract.credentials;
    let mut volumes = vec![
        json!({ "name": names::CREDENTIALS_VOLUME, "secret": { "secretName": keys.secret, "items": [
            { "key": keys.username_key, "path": "username" }, { "key": keys.password_key, "path": "password" } ] } }),
        json!({ "name": names::CONTROL_KEYS_VOLUME, "configMap": {
            "name": names::control_keys_config_map(&pool.name_any()), "optional": true } }),
    ];
    if let Some(secret) = &contract.tls_secret {
        volumes.push(json!({ "name": names::TLS_VOLUME, "secret": { "secretName": secret } }));
    }
    volumes
}

fn mounts(contract: &WorkerContract) -> Vec<Value> {
    let mount = |name: &str, path: &str| json!({ "name": name, "mountPath": path, "readOnly": true });
    let mut mounts = vec![
        mount(names::CREDENTIALS_VOLUME, names::CREDENTIALS_DIR),
        mount(names::CONTROL_KEYS_VOLUME, names::CONTROL_KEYS_DIR),
    ];
    if contract.tls_secret.is_some() {
        mounts.push(mount(names::TLS_VOLUME, names::TLS_DIR));
    }
    mounts
}

/// The pool's ConfigMap: what running pools may change without a rollout.
pub fn config_map(
    pool: &AgentWorkerPool,
    prefetch: u32,
    history: &PrefetchHistory,
    dead_letter: Option<&DeadLetterTarget>,
) -> Value {
    let mut data = json!({ names::ENV_PREFETCH: prefetch.to_string() });
    if let Some(target) = dead_letter {
        data[names::ENV_DEAD_LETTER_EXCHANGE] = json!(target.exchange);
        data[names::ENV_DEAD_LETTER_ROUTING_KEY] = json!(target.routing_key);
    }
    let mut metadata = owned_metadata(pool, &names::config_map(&pool.name_any()));
    metadata["annotations"] = json!({ names::PREFETCH_HISTORY: history.to_string() });
    json!({
        "apiVersion": ConfigMap::api_version(&()),
        "kind": ConfigMap::kind(&()),
        "metadata": metadata,
        "data": data,
    })
}

fn owned_metadata(pool: &AgentWorkerPool, name: &str) -> Value {
    json!({
        "name": name,
        "namespace": pool.namespace(),
        "labels": { names::POOL_LABEL: pool.name_any(), names::MANAGED_BY_LABEL: names::MANAGER },
        "ownerReferences": [pool.controller_owner_ref(&())],
    })
}

fn object<'a>(parent: &'a mut Value, key: &str) -> &'a mut Value {
    if !parent[key].is_object() {
        parent[key] = json!({});
    }
    &mut parent[key]
}

fn extend(parent: &mut Value, key: &str, items: Vec<Value>) {
    match parent[key].as_array_mut() {
        Some(existing) => existing.extend(items),
        None => parent[key] = Value::Array(items),
    }
}
