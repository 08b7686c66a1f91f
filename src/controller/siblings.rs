//! Which pools meet on one queue or one target.

use std::collections::{BTreeSet, HashMap};
use std::sync::PoisonError;

use kube::ResourceExt;

use super::Context;
use super::broker;
use super::world::PoolKey;
use crate::api::AgentWorkerPool;

/// Pools that meet on one queue or one target, found without looking at all pools at each decision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Siblings {
    queues: HashMap<String, Vec<Sibling>>,
    targets: HashMap<(String, String), Vec<Sibling>>,
}

/// What another pool must know of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Sibling {
    pub key: PoolKey,
    pub created: Option<String>,
    /// maxReplicas × prefetch: its share of a shared queue.
    pub weight: f64,
}

impl Siblings {
    fn add_to_queue(&mut self, queue: String, sibling: Sibling) {
        self.queues.entry(queue).or_default().push(sibling);
    }

    fn add_to_target(&mut self, namespace: String, target: String, sibling: Sibling) {
        self.targets.entry((namespace, target)).or_default().push(sibling);
    }

    /// A stable order, so that two lists of the same pools are equal.
    fn sort(&mut self) {
        let lists = self.queues.values_mut().chain(self.targets.values_mut());
        lists.for_each(|list| list.sort_by(|a, b| a.key.cmp(&b.key)));
    }

    /// Pools that are in a circle of several here or there, where the two differ.
    fn differences(&self, other: &Self) -> BTreeSet<PoolKey> {
        let mut changed = BTreeSet::new();
        let mut compare = |mine: &[Sibling], theirs: &[Sibling]| {
            if mine != theirs && mine.len().max(theirs.len()) > 1 {
                changed.extend(mine.iter().chain(theirs).map(|sibling| sibling.key.clone()));
            }
        };
        for queue in self.queues.keys().chain(other.queues.keys()) {
            compare(self.on_queue(queue), other.on_queue(queue));
        }
        for (namespace, target) in self.targets.keys().chain(other.targets.keys()) {
            compare(self.on_target(namespace, target), other.on_target(namespace, target));
        }
        changed
    }

    fn on_queue(&self, queue: &str) -> &[Sibling] {
        self.queues.get(queue).map_or(&[], Vec::as_slice)
    }

    pub fn on_target(&self, namespace: &str, target: &str) -> &[Sibling] {
        self.targets.get(&(namespace.to_owned(), target.to_owned())).map_or(&[], Vec::as_slice)
    }
}

/// Rebuilds the lists from all pools; answers the pools whose circle changed.
pub fn refresh(context: &Context) -> BTreeSet<PoolKey> {
    let mut fresh = Siblings::default();
    for (namespace, caches) in &context.world.namespaces {
        for listed in caches.pools.cache.all() {
            if let Ok(pool) = &listed.0 {
                add(&mut fresh, namespace, &pool.object);
            }
        }
    }
    fresh.sort();
    let mut known = context.siblings.write().unwrap_or_else(PoisonError::into_inner);
    let changed = fresh.differences(&known);
    *known = fresh;
    changed
}

/// Whether the lists hold this pool as it is. Most changes of a pool are of its status, and making the lists anew looks
/// at every pool there is.
pub fn hold(context: &Context, key: &PoolKey) -> bool {
    let pool = context.world.namespaces.get(&key.namespace).and_then(|caches| caches.pools.cache.get(&key.name));
    let Some(Ok(pool)) = pool.as_deref().map(|listed| &listed.0) else { return false };
    let mut own = Siblings::default();
    add(&mut own, &key.namespace, &pool.object);
    let known = context.siblings.read().unwrap_or_else(PoisonError::into_inner);
    let on_queues =
        own.queues.iter().all(|(queue, own)| own.iter().all(|sibling| known.on_queue(queue).contains(sibling)));
    on_queues
        && own.targets.iter().all(|((namespace, target), own)| {
            own.iter().all(|sibling| known.on_target(namespace, target).contains(sibling))
        })
}

fn add(siblings: &mut Siblings, namespace: &str, pool: &AgentWorkerPool) {
    let sibling = Sibling {
        key: PoolKey { namespace: namespace.to_owned(), name: pool.name_any() },
        created: pool.metadata.creation_timestamp.as_ref().map(|time| time.0.to_string()),
        weight: weight(pool),
    };
    if let Some(queue) = broker::queue_key(&pool.spec.broker) {
        siblings.add_to_queue(queue, sibling.clone());
    }
    if let Some(target) = &pool.spec.worker.target_ref {
        siblings.add_to_target(namespace.to_owned(), target.name.clone(), sibling);
    }
}

/// `maxReplicas` × prefetch, as far as known.
fn weight(pool: &AgentWorkerPool) -> f64 {
    let max = pool.spec.scaling.as_ref().and_then(|scaling| scaling.max_replicas).unwrap_or(100);
    let fixed = pool.spec.prefetch.as_ref().and_then(|prefetch| prefetch.fixed);
    let prefetch = fixed.or_else(|| pool.status.as_ref()?.prefetch).unwrap_or(1);
    f64::from(max.max(1)) * f64::from(prefetch.max(1))
}

/// The share of a shared queue that falls to `key`, and the others on it.
pub fn share(context: &Context, queue: &str, key: &PoolKey) -> (f64, Vec<PoolKey>) {
    let siblings = context.siblings.read().unwrap_or_else(PoisonError::into_inner);
    let all = siblings.on_queue(queue);
    let total: f64 = all.iter().map(|sibling| sibling.weight).sum();
    let mine: f64 = all.iter().filter(|sibling| sibling.key == *key).map(|sibling| sibling.weight).sum();
    let others = all.iter().filter(|sibling| sibling.key != *key).map(|sibling| sibling.key.clone()).collect();
    (if total > 0.0 && mine > 0.0 { mine / total } else { 1.0 }, others)
}

/// The pool that was there first on a target, if it is not `key` itself.
pub fn older_on_target(context: &Context, namespace: &str, target: &str, key: &PoolKey) -> Option<PoolKey> {
    let siblings = context.siblings.read().unwrap_or_else(PoisonError::into_inner);
    let all = siblings.on_target(namespace, target).iter();
    let first = all.min_by(|a, b| (&a.created, &a.key).cmp(&(&b.created, &b.key)))?;
    (first.key != *key).then(|| first.key.clone())
}
