//! Step 1: what the pool names, from the caches.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt;

use super::Context;
use super::broker;
use super::memory::{Memory, TargetWatches};
use super::pods;
use super::world::{Namespace, PoolKey};
use crate::api::AgentWorkerPool;
use crate::api::names::labels;
use crate::api::parsed;

/// The pool and all that it names, as the caches have it.
#[derive(Debug)]
pub struct Found {
    pub pool: Arc<AgentWorkerPool>,
    /// The Deployment the pool owns or targets; `None` = there is none of that name.
    pub deployment: Option<Arc<Deployment>>,
    /// Pods whose chain of controllers ends at the Deployment.
    pub pods: Vec<Arc<Pod>>,
    pub selector: String,
    pub config_map: Option<Arc<ConfigMap>>,
    /// An autoscaler on the same Deployment.
    pub autoscaler: Option<Arc<HorizontalPodAutoscaler>>,
}

/// Finds the pool in the caches; `None` = not there (any more), or not to be decoded.
pub fn pool(caches: &Namespace, key: &PoolKey) -> Option<Arc<AgentWorkerPool>> {
    caches.pools.cache.get(&key.name)?.0.as_ref().ok().cloned()
}

/// Finds what the pool names. `None` = something it needs is not listed yet: look again soon.
pub fn dereference(
    context: &Context,
    key: &PoolKey,
    pool: Arc<AgentWorkerPool>,
    spec: &parsed::Pool,
    memory: &mut Memory,
) -> Option<Found> {
    let caches = context.world.namespaces.get(&key.namespace)?;
    let name = match &spec.worker {
        parsed::Worker::Template(_) => key.name.clone(),
        parsed::Worker::TargetRef(target) => target.name.clone(),
    };
    let deployment = caches.deployments.cache.get(&name);
    let (selector, pods) = match &spec.worker {
        parsed::Worker::Template(_) => {
            memory.target = None;
            (format!("{}={}", labels::POOL, key.name), own_pods(caches, key, deployment.as_deref()))
        }
        parsed::Worker::TargetRef(_) => target_pods(context, key, deployment.as_deref(), memory)?,
    };
    let autoscalers = caches.autoscalers.cache.group(&name);
    Some(Found {
        config_map: caches.config_maps.cache.get(&crate::api::names::owned::config_map(&key.name)),
        autoscaler: autoscalers.into_iter().next(),
        pool,
        deployment,
        pods,
        selector,
    })
}

/// Keeps watches on exactly the Secrets the spec names.
pub fn watch_secrets(context: &Context, key: &PoolKey, spec: &parsed::Pool, memory: &mut Memory) {
    let named: BTreeSet<String> = broker::secrets(&spec.broker).into_iter().cloned().collect();
    memory.secrets.retain(|name, _| named.contains(name));
    for name in named {
        memory.secrets.entry(name.clone()).or_insert_with(|| context.world.secret(&key.namespace, &name, &memory.wake));
    }
}

/// A Secret as its watch has it.
#[derive(Clone, Debug)]
pub enum SecretState {
    Found(Arc<Secret>),
    Missing,
    Forbidden,
    /// Not listed yet.
    Pending,
}

pub fn secret(memory: &Memory, name: &str) -> SecretState {
    match memory.secrets.get(name) {
        None => SecretState::Pending,
        Some(watched) => match watched.cache.get(name) {
            Some(secret) => SecretState::Found(secret),
            None if watched.forbidden() => SecretState::Forbidden,
            None if watched.cache.synced() => SecretState::Missing,
            None => SecretState::Pending,
        },
    }
}

fn own_pods(caches: &Namespace, key: &PoolKey, deployment: Option<&Deployment>) -> Vec<Arc<Pod>> {
    let sets = caches.replica_sets.cache.group(&key.name);
    let sets: Vec<_> = sets.iter().map(|set| &set.metadata).collect();
    chained(caches.pods.cache.group(&key.name), &sets, deployment)
}

fn target_pods(
    context: &Context,
    key: &PoolKey,
    deployment: Option<&Deployment>,
    memory: &mut Memory,
) -> Option<(String, Vec<Arc<Pod>>)> {
    let Some(deployment) = deployment else {
        memory.target = None;
        return Some((String::new(), Vec::new()));
    };
    let selector = selector_text(&deployment.spec.as_ref()?.selector);
    if memory.target.as_ref().is_none_or(|target| target.selector != selector) {
        memory.target = Some(TargetWatches {
            pods: context.world.pods_of_target(&key.namespace, &selector, &memory.wake),
            replica_sets: context.world.replica_sets_of_target(&key.namespace, &selector, &memory.wake),
            selector: selector.clone(),
        });
    }
    let target = memory.target.as_ref()?;
    if !target.pods.cache.synced() || !target.replica_sets.cache.synced() {
        return None;
    }
    let sets = target.replica_sets.cache.all();
    let sets: Vec<_> = sets.iter().map(|set| &set.metadata).collect();
    Some((selector, chained(target.pods.cache.all(), &sets, Some(deployment))))
}

/// Labels only pre-filter: a pod belongs to the Deployment that controls the ReplicaSet that controls it, by UID.
pub fn chained(
    pods: Vec<Arc<Pod>>,
    sets: &[&k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta],
    deployment: Option<&Deployment>,
) -> Vec<Arc<Pod>> {
    let Some(owner) = deployment.and_then(ResourceExt::uid) else { return Vec::new() };
    let ours: BTreeSet<&str> = sets
        .iter()
        .filter(|set| {
            let owners = set.owner_references.iter().flatten();
            owners.into_iter().any(|reference| reference.controller == Some(true) && reference.uid == owner)
        })
        .filter_map(|set| set.uid.as_deref())
        .collect();
    pods.into_iter().filter(|pod| pods::replica_set(pod).is_some_and(|set| ours.contains(set.as_str()))).collect()
}

/// A selector as `kubectl get --selector` takes it.
pub fn selector_text(selector: &LabelSelector) -> String {
    let equal = selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
    let expressions = selector.match_expressions.iter().flatten().map(|expression| {
        let values = expression.values.clone().unwrap_or_default().join(",");
        match expression.operator.as_str() {
            "In" => format!("{} in ({values})", expression.key),
            "NotIn" => format!("{} notin ({values})", expression.key),
            "DoesNotExist" => format!("!{}", expression.key),
            _ => expression.key.clone(),
        }
    });
    equal.chain(expressions).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_reads_as_kubectl_takes_it() {
        let selector: LabelSelector = serde_json::from_value(serde_json::json!({
            "matchLabels": {"app": "agent"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["a", "b"]},
                {"key": "legacy", "operator": "DoesNotExist"}]
        }))
        .unwrap();
        assert_eq!(selector_text(&selector), "app=agent,tier in (a,b),!legacy");
    }

    #[test]
    fn a_pod_with_our_label_but_another_owner_is_not_ours() {
        let pod = |name: &str, set: &str| -> Arc<Pod> {
            Arc::new(
                serde_json::from_value(serde_json::json!({"metadata": {"name": name, "ownerReferences": [
                    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": set, "uid": set, "controller": true}]}}))
                .unwrap(),
            )
        };
        let set = |uid: &str, owner: &str| -> k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
            serde_json::from_value(serde_json::json!({"uid": uid, "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": owner, "controller": true}]}))
            .unwrap()
        };
        let deployment: Deployment = serde_json::from_value(serde_json::json!({"metadata": {"uid": "d1"}})).unwrap();
        let (mine, foreign) = (set("s1", "d1"), set("s2", "d2"));
        let found = chained(vec![pod("a", "s1"), pod("b", "s2")], &[&mine, &foreign], Some(&deployment));
        assert_eq!(found.iter().map(|pod| pod.name_any()).collect::<Vec<_>>(), ["a"]);
    }
}
