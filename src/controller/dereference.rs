//! Step 1: what the pool names, from the caches.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Context;
use super::broker;
use super::memory::{Memory, TargetWatches};
use super::objects::{Autoscaler, ConfigMap, Deployment, Pod, Pool, ReplicaSet, Secret};
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
    pub autoscaler: Option<Arc<Autoscaler>>,
}

/// Finds the pool in the caches; `None` = not there (any more), or not to be decoded.
pub fn pool(caches: &Namespace, key: &PoolKey) -> Option<Pool> {
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
    let selector = &deployment.selector;
    if memory.target.as_ref().is_none_or(|target| target.selector != **selector) {
        memory.target = Some(TargetWatches {
            pods: context.world.pods_of_target(&key.namespace, selector, &memory.wake),
            replica_sets: context.world.replica_sets_of_target(&key.namespace, selector, &memory.wake),
            selector: selector.to_string(),
        });
    }
    let target = memory.target.as_ref()?;
    if !target.pods.cache.synced() || !target.replica_sets.cache.synced() {
        return None;
    }
    let sets = target.replica_sets.cache.all();
    Some((selector.to_string(), chained(target.pods.cache.all(), &sets, Some(deployment))))
}

/// Labels only pre-filter: a pod belongs to the Deployment that controls the ReplicaSet that controls it, by UID.
pub fn chained(pods: Vec<Arc<Pod>>, sets: &[Arc<ReplicaSet>], deployment: Option<&Deployment>) -> Vec<Arc<Pod>> {
    let Some(deployment) = deployment else { return Vec::new() };
    let ours: BTreeSet<&str> =
        sets.iter().filter(|set| set.controller.as_ref() == Some(&deployment.uid)).map(|set| &*set.uid).collect();
    pods.into_iter().filter(|pod| pod.replica_set.as_deref().is_some_and(|set| ours.contains(set))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::controller::objects::{Kept, Read};

    fn object<K: Kept>(kind: &str, uid: &str, owner: &str) -> K {
        let owners = json!([{"apiVersion": "apps/v1", "kind": kind, "name": owner, "uid": owner, "controller": true}]);
        let object = json!({"metadata": {"name": uid, "uid": uid, "ownerReferences": owners}});
        serde_json::from_value::<Read<K>>(object).unwrap().kept
    }

    #[test]
    fn a_pod_with_our_label_but_another_owner_is_not_ours() {
        let pods = [("a", "s1"), ("b", "s2")].map(|(name, set)| Arc::new(object::<Pod>("ReplicaSet", name, set)));
        let sets = [("s1", "d1"), ("s2", "d2")].map(|(uid, owner)| Arc::new(object("Deployment", uid, owner)));
        let found = chained(pods.to_vec(), &sets, Some(&object("AgentWorkerPool", "d1", "p")));
        assert_eq!(found.iter().map(|pod| &*pod.name).collect::<Vec<_>>(), ["a"]);
    }
}
