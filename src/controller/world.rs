//! What the operator watches, by namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use futures::Stream;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Config, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::Notify;

use super::Jitter;
use super::cache::Cache;
use super::listed::{ListedPool, cut_deployment, cut_down, cut_pod, cut_replica_set};
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

pub type ReplicaSetMeta = PartialObjectMeta<ReplicaSet>;

/// Seconds after which a watch is begun anew: one whose connection is lost without a word is noticed then, and the pools
/// go on by old caches until then. kube's default of 290 s is long for something that reacts within one.
const SILENCE: u32 = 60;

/// Objects in an answer to a list: all of them are whole in memory before they are cut down.
const PAGE: u32 = 100;

/// All caches.
pub struct World {
    client: Client,
    jitter: Jitter,
    pub namespaces: BTreeMap<String, Namespace>,
    secrets: Shared<Secret>,
    target_pods: Shared<Pod>,
    target_replica_sets: Shared<ReplicaSetMeta>,
}

/// The caches of one namespace.
#[derive(Debug)]
pub struct Namespace {
    pub pools: Watched<ListedPool>,
    pub deployments: Watched<Deployment>,
    pub replica_sets: Watched<ReplicaSetMeta>,
    pub pods: Watched<Pod>,
    pub config_maps: Watched<ConfigMap>,
    pub autoscalers: Watched<HorizontalPodAutoscaler>,
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

fn by_pool_label<K: ResourceExt>(object: &K) -> Option<String> {
    object.labels().get(labels::POOL).cloned()
}

fn by_name<K: ResourceExt>(object: &K) -> Option<String> {
    object.meta().name.clone()
}

fn by_target(autoscaler: &HorizontalPodAutoscaler) -> Option<String> {
    let target = &autoscaler.spec.as_ref()?.scale_target_ref;
    (target.kind == "Deployment").then(|| target.name.clone())
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
        self.secrets.get_or_start((namespace, name), wake, |changed| {
            let config = Config::default().fields(&format!("metadata.name={name}"));
            let stream = watcher(Api::<Secret>::namespaced(self.client.clone(), namespace), config);
            follow("Secret", stream, Arc::new(Cache::new(by_name)), self.jitter, changed)
        })
    }

    /// The pods of a `targetRef`, by its selector: they carry no label of ours.
    pub fn pods_of_target(&self, namespace: &str, selector: &str, wake: &Arc<Notify>) -> Arc<Watched<Pod>> {
        self.target_pods.get_or_start((namespace, selector), wake, |changed| {
            let config = Config::default().labels(selector);
            let stream = cut_down(watcher(Api::<Pod>::namespaced(self.client.clone(), namespace), config), cut_pod);
            follow("Pod", stream, Arc::new(Cache::new(by_name)), self.jitter, changed)
        })
    }

    pub fn replica_sets_of_target(
        &self,
        namespace: &str,
        selector: &str,
        wake: &Arc<Notify>,
    ) -> Arc<Watched<ReplicaSetMeta>> {
        self.target_replica_sets.get_or_start((namespace, selector), wake, |changed| {
            let config = Config::default().labels(selector);
            let stream = watcher(Api::<ReplicaSetMeta>::namespaced(self.client.clone(), namespace), config);
            let stream = cut_down(stream, cut_replica_set);
            follow("ReplicaSet", stream, Arc::new(Cache::new(by_name)), self.jitter, changed)
        })
    }
}

impl Namespace {
    fn watch(client: &Client, namespace: &str, touch: &Touch, readiness: &Readiness, jitter: Jitter) -> Self {
        let watching = Watching { client, namespace, touch, readiness, jitter };
        let all = Config::default().timeout(SILENCE).page_size(PAGE);
        let labelled = all.clone().labels(labels::POOL);
        Self {
            pools: watching.start("pools", watcher(watching.api::<ListedPool>(), all.clone()), by_name, Touched::Pools),
            deployments: watching.start(
                "deployments",
                cut_down(watcher(watching.api::<Deployment>(), all.clone()), cut_deployment),
                by_name,
                Touched::Deployments,
            ),
            replica_sets: watching.start(
                "replicasets",
                cut_down(watcher(watching.api::<ReplicaSetMeta>(), labelled.clone()), cut_replica_set),
                by_pool_label,
                Touched::OfPools,
            ),
            pods: watching.start(
                "pods",
                cut_down(watcher(watching.api::<Pod>(), labelled.clone()), cut_pod),
                by_pool_label,
                Touched::OfPools,
            ),
            config_maps: watching.start(
                "configmaps",
                watcher(watching.api::<ConfigMap>(), labelled),
                by_pool_label,
                Touched::OfPools,
            ),
            autoscalers: watching.start(
                "horizontalpodautoscalers",
                watcher(watching.api::<HorizontalPodAutoscaler>(), all.clone()),
                by_target,
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
    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), self.namespace)
    }

    fn start<K, S>(
        &self,
        kind: &'static str,
        stream: S,
        group_of: super::cache::GroupOf<K>,
        touched: fn(BTreeSet<String>) -> Touched,
    ) -> Watched<K>
    where
        K: ResourceExt + Clone + Send + Sync + 'static,
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
