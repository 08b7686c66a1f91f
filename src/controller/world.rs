//! What the operator watches, by namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use kube::runtime::watcher::{self, Config, watcher};
use kube::{Api, Client};
use tokio::sync::Notify;

use super::Jitter;
use super::cache::{Cache, GroupOf};
use super::objects::{Autoscaler, ConfigMap, Deployment, Kept, ListedPool, Named, Pod, Read, ReplicaSet, Secret, kept};
use super::watch::{Shared, Watched, follow};
use crate::api::names::labels;
use crate::ops::metrics::PoolLabels;
use crate::ops::readiness::Readiness;

/// Namespace and name of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolKey {
    pub namespace: String,
    pub name: String,
}

impl PoolKey {
    /// The pool in metrics.
    pub fn labels(&self) -> PoolLabels {
        PoolLabels { namespace: self.namespace.clone(), pool: self.name.clone() }
    }
}

impl fmt::Display for PoolKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Seconds after which a watch is begun anew: one whose connection is lost without a word is noticed then, and the pools
/// go on by old caches until then. kube's default of 290 s is long for something that reacts within one.
const SILENCE: u32 = 60;

/// Objects in an answer to a list: all of it is in memory before it is decoded.
const PAGE: u32 = 100;

/// All caches.
pub struct World {
    client: Client,
    jitter: Jitter,
    pub namespaces: BTreeMap<String, Namespace>,
    secrets: Shared<Secret>,
    target_pods: Shared<Pod>,
    target_replica_sets: Shared<ReplicaSet>,
}

/// The caches of one namespace.
#[derive(Debug)]
pub struct Namespace {
    pub pools: Watched<ListedPool>,
    pub deployments: Watched<Deployment>,
    pub replica_sets: Watched<ReplicaSet>,
    pub pods: Watched<Pod>,
    pub config_maps: Watched<ConfigMap>,
    pub autoscalers: Watched<Autoscaler>,
}

/// Told which pools to look at again. A name may be no pool's: it is then ignored.
pub type Touch = Arc<dyn Fn(&str, Touched) + Send + Sync>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// The pools themselves were added, changed or deleted.
    Pools(BTreeSet<String>),
    /// Objects of these pools.
    OfPools(BTreeSet<String>),
    /// Deployments of these names: a pool's own or its target.
    Deployments(BTreeSet<String>),
}

#[expect(clippy::unnecessary_wraps, reason = "a `GroupOf`: of other kinds there are objects in no group")]
fn by_name<K: Named>(object: &K) -> Option<&str> {
    Some(object.name())
}

/// The objects `config` selects, as they are kept.
fn watch<K: Kept>(
    client: &Client,
    namespace: &str,
    config: Config,
) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + use<K> {
    let api = Api::<Read<K>>::namespaced(client.clone(), namespace);
    watcher(api, config).map(|event| event.map(kept))
}

impl World {
    /// Begins watching `namespaces`.
    pub fn watch(
        client: &Client,
        namespaces: &BTreeSet<String>,
        touch: &Touch,
        readiness: &Readiness,
        jitter: Jitter,
    ) -> Self {
        let watched =
            namespaces.iter().map(|name| (name.clone(), Namespace::watch(client, name, touch, readiness, jitter)));
        Self {
            namespaces: watched.collect(),
            client: client.clone(),
            jitter,
            secrets: Shared::default(),
            target_pods: Shared::default(),
            target_replica_sets: Shared::default(),
        }
    }

    /// One watch per Secret that some pool names, by name: the operator's Role may then be narrowed to those names.
    /// `wake` is told of changes.
    pub fn secret(&self, namespace: &str, name: &str, wake: &Arc<Notify>) -> Arc<Watched<Secret>> {
        let config = || Config::default().fields(&format!("metadata.name={name}"));
        self.shared("Secret", &self.secrets, (namespace, name), config, wake)
    }

    /// The pods of a `targetRef`, by its selector: they carry no label of ours.
    pub fn pods_of_target(&self, namespace: &str, selector: &str, wake: &Arc<Notify>) -> Arc<Watched<Pod>> {
        let config = || Config::default().labels(selector);
        self.shared("Pod", &self.target_pods, (namespace, selector), config, wake)
    }

    pub fn replica_sets_of_target(
        &self,
        namespace: &str,
        selector: &str,
        wake: &Arc<Notify>,
    ) -> Arc<Watched<ReplicaSet>> {
        let config = || Config::default().labels(selector);
        self.shared("ReplicaSet", &self.target_replica_sets, (namespace, selector), config, wake)
    }

    fn shared<K: Kept>(
        &self,
        kind: &'static str,
        all: &Shared<K>,
        (namespace, selected): (&str, &str),
        config: impl FnOnce() -> Config,
        wake: &Arc<Notify>,
    ) -> Arc<Watched<K>> {
        all.get_or_start((namespace, selected), wake, |changed| {
            let stream = watch(&self.client, namespace, config());
            follow(kind, stream, Arc::new(Cache::new(by_name)), self.jitter, changed)
        })
    }
}

impl Namespace {
    fn watch(client: &Client, namespace: &str, touch: &Touch, readiness: &Readiness, jitter: Jitter) -> Self {
        let watching = Watching { client, namespace, touch, readiness, jitter };
        let all = Config::default().timeout(SILENCE).page_size(PAGE);
        let labelled = all.clone().labels(labels::POOL);
        let pools = watcher(Api::<ListedPool>::namespaced(client.clone(), namespace), all.clone());
        Self {
            pools: watching.follow("pools", pools, by_name, Touched::Pools),
            deployments: watching.start("deployments", &all, by_name, Touched::Deployments),
            replica_sets: watching.start(
                "replicasets",
                &labelled,
                |set: &ReplicaSet| set.pool.as_deref(),
                Touched::OfPools,
            ),
            pods: watching.start("pods", &labelled, |pod: &Pod| pod.pool.as_deref(), Touched::OfPools),
            config_maps: watching.start(
                "configmaps",
                &labelled,
                |map: &ConfigMap| map.pool.as_deref(),
                Touched::OfPools,
            ),
            autoscalers: watching.start(
                "horizontalpodautoscalers",
                &all,
                |autoscaler: &Autoscaler| autoscaler.deployment.as_deref(),
                Touched::Deployments,
            ),
        }
    }

    /// Whether every kind was listed once: before that, absence means nothing.
    pub fn synced(&self) -> bool {
        self.pools.cache.synced()
            && self.deployments.cache.synced()
            && self.replica_sets.cache.synced()
            && self.pods.cache.synced()
            && self.config_maps.cache.synced()
            && self.autoscalers.cache.synced()
    }
}

struct Watching<'a> {
    client: &'a Client,
    namespace: &'a str,
    touch: &'a Touch,
    readiness: &'a Readiness,
    jitter: Jitter,
}

impl Watching<'_> {
    fn start<K: Kept>(
        &self,
        kind: &'static str,
        config: &Config,
        group_of: GroupOf<K>,
        touched: fn(BTreeSet<String>) -> Touched,
    ) -> Watched<K> {
        self.follow(kind, watch(self.client, self.namespace, config.clone()), group_of, touched)
    }

    fn follow<K, S>(
        &self,
        kind: &'static str,
        stream: S,
        group_of: GroupOf<K>,
        touched: fn(BTreeSet<String>) -> Touched,
    ) -> Watched<K>
    where
        K: Named + Send + Sync + 'static,
        S: Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static,
    {
        let part = format!("{kind} in {}", self.namespace);
        self.readiness
            .await_part(part.clone(), "is the CRD installed, and may the ServiceAccount list and watch them?");
        let (touch, namespace, readiness) = (self.touch.clone(), self.namespace.to_owned(), self.readiness.clone());
        let cache = Arc::new(Cache::new(group_of));
        let filled = cache.clone();
        follow(kind, stream, cache, self.jitter, move |groups| {
            if filled.synced() {
                readiness.found(&part);
            }
            touch(&namespace, touched(groups));
        })
    }
}
