//! Which pools meet on one queue or one target.

mod queues;

use std::collections::{BTreeSet, HashMap};
use std::sync::PoisonError;

use kube::ResourceExt;

use super::Context;
use super::broker::{self, QueueKey};
use super::world::PoolKey;
use crate::api::AgentWorkerPool;
use queues::Queues;

/// Pools that meet on one queue or one target, found without looking at all pools at each decision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Siblings {
    queues: Queues,
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

/// A pool, and where it may meet others.
struct Place {
    sibling: Sibling,
    queue: Option<QueueKey>,
    target: Option<(String, String)>,
}

impl Siblings {
    fn of(pools: Vec<Place>, before: &Self) -> Self {
        let mut targets: HashMap<_, Vec<Sibling>> = HashMap::new();
        let mut takers = Vec::new();
        for Place { sibling, queue, target } in pools {
            if let Some(target) = target {
                targets.entry(target).or_default().push(sibling.clone());
            }
            takers.extend(queue.map(|queue| (queue, sibling)));
        }
        // A stable order, so that two lists of the same pools are equal.
        for list in targets.values_mut() {
            list.sort_by(|a, b| a.key.cmp(&b.key));
        }
        Self { queues: Queues::of(takers, &before.queues), targets }
    }

    /// Pools that are in a circle of several here or there, where the two differ.
    fn differences(&self, other: &Self) -> BTreeSet<PoolKey> {
        let mut changed = self.queues.differences(&other.queues);
        for (namespace, target) in self.targets.keys().chain(other.targets.keys()) {
            let (mine, theirs) = (self.on_target(namespace, target), other.on_target(namespace, target));
            if mine != theirs && mine.len().max(theirs.len()) > 1 {
                changed.extend(mine.iter().chain(theirs).map(|sibling| sibling.key.clone()));
            }
        }
        changed
    }

    pub fn on_target(&self, namespace: &str, target: &str) -> &[Sibling] {
        self.targets.get(&(namespace.to_owned(), target.to_owned())).map_or(&[], Vec::as_slice)
    }
}

/// Rebuilds the lists from all pools; answers the pools whose circle changed.
pub fn refresh(context: &Context) -> BTreeSet<PoolKey> {
    let caches = context.world.namespaces.iter();
    let pools = caches.flat_map(|(namespace, caches)| {
        let listed = caches.pools.cache.all().into_iter();
        listed.filter_map(|listed| listed.0.as_ref().ok().map(|pool| place(namespace, &pool.object)))
    });
    let pools: Vec<Place> = pools.collect();
    let mut known = context.siblings.write().unwrap_or_else(PoisonError::into_inner);
    let fresh = Siblings::of(pools, &known);
    let changed = fresh.differences(&known);
    *known = fresh;
    changed
}

/// Whether the lists hold this pool as it is. Most changes of a pool are of its status, and making the lists anew looks
/// at every pool there is.
pub fn hold(context: &Context, key: &PoolKey) -> bool {
    let pool = context.world.namespaces.get(&key.namespace).and_then(|caches| caches.pools.cache.get(&key.name));
    let Some(Ok(pool)) = pool.as_deref().map(|listed| &listed.0) else { return false };
    let Place { sibling, queue, target } = place(&key.namespace, &pool.object);
    let known = context.siblings.read().unwrap_or_else(PoisonError::into_inner);
    queue.is_none_or(|queue| known.queues.hold(&queue, &sibling))
        && target.is_none_or(|(namespace, target)| known.on_target(&namespace, &target).contains(&sibling))
}

/// The broker of the pool says which cluster it is. Whom the pool meets by that sees it at its next pass, which is
/// never far.
pub fn learn(context: &Context, queue: &QueueKey, key: &PoolKey, cluster: &str) {
    let news = context.siblings.read().unwrap_or_else(PoisonError::into_inner).queues.cluster(key) != Some(cluster);
    if news {
        let mut known = context.siblings.write().unwrap_or_else(PoisonError::into_inner);
        known.queues.learn(&queue.queue, key, cluster);
    }
}

fn place(namespace: &str, pool: &AgentWorkerPool) -> Place {
    let sibling = Sibling {
        key: PoolKey { namespace: namespace.to_owned(), name: pool.name_any() },
        created: pool.metadata.creation_timestamp.as_ref().map(|time| time.0.to_string()),
        weight: weight(pool),
    };
    let target = pool.spec.worker.target_ref.as_ref();
    Place {
        sibling,
        queue: broker::queue_key(&pool.spec.broker),
        target: target.map(|target| (namespace.to_owned(), target.name.clone())),
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
pub fn share(context: &Context, key: &PoolKey) -> (f64, Vec<PoolKey>) {
    let siblings = context.siblings.read().unwrap_or_else(PoisonError::into_inner);
    let all = siblings.queues.circle(key);
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
