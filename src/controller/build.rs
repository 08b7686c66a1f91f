//! The objects a pool owns, as they should be: pure, from the pool's spec to manifests.
//!
//! The pod template carries the whole worker contract from the first release on: adding to it later
//! would roll every pool. What may change while workers run (prefetch, dead-letter target) comes from
//! the pool's ConfigMap instead.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use super::broker::Environment;
use super::pods::PrefetchHistory;
use crate::api::AgentWorkerPool;
use crate::api::names::{annotations, env, labels, owned, pod, secret_keys};
use crate::api::parsed::{Login, PodTemplate};
use crate::brokers::DeadLetterTarget;

/// What a worker needs to know to do its job.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerContract {
    /// The consumer's container.
    pub container: String,
    /// What is told of the broker.
    pub environment: Environment,
    /// `None`: the worker uses what the broker's client does without a login.
    pub credentials: Option<SecretKeys>,
    pub status_port: Option<u16>,
    /// As the user wrote it: `25m`.
    pub task_timeout: String,
    /// Seconds.
    pub drain_timeout: f64,
}

/// Keys of a Secret as files in a folder of the worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretKeys {
    pub secret: String,
    /// Key and file name. A pod does not start while one is missing.
    pub files: Vec<(String, &'static str)>,
    /// The same for keys that may be missing.
    pub optional: Vec<(String, &'static str)>,
}

impl SecretKeys {
    /// A user name and a password.
    pub fn login(login: &Login) -> Self {
        let files = vec![
            (login.username_key.clone(), secret_keys::USERNAME),
            (login.password_key.clone(), secret_keys::PASSWORD),
        ];
        Self { secret: login.secret.clone(), files, optional: vec![] }
    }
}

/// Seconds between the end of the drain and SIGKILL: a task that ends at the last moment still has to be
/// acknowledged and the connection closed.
const GRACE_AFTER_DRAIN: f64 = 60.0;

/// The Deployment of a pool with `worker.template`, for server-side apply, still without `spec.replicas`:
/// every write must add the number that was decided, because never stating it gives 1.
pub fn deployment(
    pool: &AgentWorkerPool,
    template: &PodTemplate,
    contract: &WorkerContract,
) -> Result<Value, serde_json::Error> {
    let mut manifest = json!({
        "apiVersion": Deployment::api_version(&()),
        "kind": Deployment::kind(&()),
        "metadata": owned_metadata(pool, &pool.name_any()),
        "spec": {
            "selector": { "matchLabels": { labels::POOL: pool.name_any() } },
            // Surge first: a rollout never goes below what is busy.
            "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": 0 } },
        },
    });
    manifest["spec"]["template"] = pod_template(pool, template, contract)?;
    Ok(manifest)
}

fn pod_template(
    pool: &AgentWorkerPool,
    template: &PodTemplate,
    contract: &WorkerContract,
) -> Result<Value, serde_json::Error> {
    let mut template: Value = serde_json::from_str(&template.json)?;
    let metadata = object(&mut template, "metadata");
    object(metadata, "labels")[labels::POOL] = json!(pool.name_any());
    let notes = object(metadata, "annotations");
    for (name, value) in [(annotations::SAFE_TO_EVICT, "false"), (annotations::DO_NOT_DISRUPT, "true")] {
        if notes.get(name).is_none() {
            notes[name] = json!(value);
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
    let mut variables = environment(pool, contract);
    let theirs = container["env"].as_array().cloned().unwrap_or_default();
    let taken: Vec<Value> = variables.iter().map(|variable| variable["name"].clone()).collect();
    variables.extend(theirs.into_iter().filter(|variable| !taken.contains(&variable["name"])));
    container["env"] = Value::Array(variables);
}

fn environment(pool: &AgentWorkerPool, contract: &WorkerContract) -> Vec<Value> {
    let config = owned::config_map(&pool.name_any());
    let value = |name: &str, value: &str| json!({ "name": name, "value": value });
    let field = |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": path } } });
    let configured = |name: &str| json!({ "name": name, "valueFrom": { "configMapKeyRef": { "name": config, "key": name, "optional": true } } });
    let broker = &contract.environment;
    let mut variables = vec![
        value(env::POOL, &pool.name_any()),
        field(env::NAMESPACE, "metadata.namespace"),
        field(env::POD, "metadata.name"),
        field(env::POD_IP, "status.podIP"),
    ];
    variables.extend(broker.fixed.iter().map(|(name, text)| value(name, text)));
    variables.push(configured(env::PREFETCH));
    variables.extend(broker.configured.iter().map(|name| configured(name)));
    variables.push(value(env::TASK_TIMEOUT, &contract.task_timeout));
    variables.push(value(env::CONTROL_KEYS_DIR, pod::CONTROL_KEYS_MOUNT));
    if contract.credentials.is_some() {
        variables.push(value(env::CREDENTIALS_DIR, pod::CREDENTIALS_MOUNT));
    }
    if broker.tls_secret.is_some() {
        variables.push(value(env::TLS_DIR, pod::TLS_MOUNT));
    }
    if let Some(port) = contract.status_port {
        variables.push(value(env::STATUS_ADDRESS, &format!("$({}):{port}", env::POD_IP)));
    }
    variables
}

fn volumes(pool: &AgentWorkerPool, contract: &WorkerContract) -> Vec<Value> {
    let mut volumes = vec![json!({ "name": pod::CONTROL_KEYS_VOLUME, "configMap": {
            "name": owned::control_keys(&pool.name_any()), "optional": true } })];
    if let Some(keys) = &contract.credentials {
        volumes.push(credentials_volume(keys));
    }
    if let Some(secret) = &contract.environment.tls_secret {
        volumes.push(json!({ "name": pod::TLS_VOLUME, "secret": { "secretName": secret } }));
    }
    volumes
}

/// Only a projection can hold some keys that must and some that may be there.
fn credentials_volume(keys: &SecretKeys) -> Value {
    let items = |files: &[(String, &'static str)]| {
        files.iter().map(|(key, path)| json!({ "key": key, "path": path })).collect::<Vec<_>>()
    };
    if keys.optional.is_empty() {
        let secret = json!({ "secretName": keys.secret, "items": items(&keys.files) });
        return json!({ "name": pod::CREDENTIALS_VOLUME, "secret": secret });
    }
    let needed = json!({ "secret": { "name": keys.secret, "items": items(&keys.files) } });
    let optional = json!({ "secret": { "name": keys.secret, "items": items(&keys.optional), "optional": true } });
    json!({ "name": pod::CREDENTIALS_VOLUME, "projected": { "sources": [needed, optional] } })
}

fn mounts(contract: &WorkerContract) -> Vec<Value> {
    let mount = |name: &str, path: &str| json!({ "name": name, "mountPath": path, "readOnly": true });
    let mut mounts = vec![mount(pod::CONTROL_KEYS_VOLUME, pod::CONTROL_KEYS_MOUNT)];
    if contract.credentials.is_some() {
        mounts.push(mount(pod::CREDENTIALS_VOLUME, pod::CREDENTIALS_MOUNT));
    }
    if contract.environment.tls_secret.is_some() {
        mounts.push(mount(pod::TLS_VOLUME, pod::TLS_MOUNT));
    }
    mounts
}

/// What the pool's ConfigMap says: what running pools may change without a rollout.
pub fn config_data(prefetch: u32, dead_letter: Option<DeadLetterTarget>) -> BTreeMap<String, String> {
    let mut data = BTreeMap::from([(env::PREFETCH.to_owned(), prefetch.to_string())]);
    match dead_letter {
        Some(DeadLetterTarget::Exchange { exchange, routing_key, .. }) => {
            data.insert(env::DEAD_LETTER_EXCHANGE.into(), exchange);
            data.insert(env::DEAD_LETTER_ROUTING_KEY.into(), routing_key);
        }
        Some(DeadLetterTarget::Queue(queue)) => drop(data.insert(env::DEAD_LETTER.into(), queue)),
        None => {}
    }
    data
}

pub fn config_map(pool: &AgentWorkerPool, data: &BTreeMap<String, String>, history: &PrefetchHistory) -> Value {
    let mut metadata = owned_metadata(pool, &owned::config_map(&pool.name_any()));
    metadata["annotations"] = json!({ annotations::PREFETCH_HISTORY: history.to_string() });
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
        "labels": { labels::POOL: pool.name_any(), labels::MANAGED_BY: labels::MANAGED_BY_AWP },
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
