//! A value of each object of one kind over time, as the API server tells its watchers.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio_util::task::AbortOnDropHandle;

/// When, by the clock of this machine, and what from then on. The first entry is what there was.
pub type History<V> = Vec<(Timestamp, V)>;

type Seen<V> = HashMap<String, History<V>>;

/// Follows from its making on; dropping it ends that.
#[derive(Debug)]
pub struct Changes<V> {
    seen: Arc<Mutex<Seen<V>>>,
    _task: AbortOnDropHandle<()>,
}

impl<V: Clone + PartialEq + Send + 'static> Changes<V> {
    /// Objects for which `value` answers nothing are passed over.
    pub fn follow<K>(api: Api<K>, config: Config, value: fn(&K) -> Option<V>) -> Self
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let seen = Arc::<Mutex<Seen<V>>>::default();
        let record = seen.clone();
        let task = tokio::spawn(async move {
            let mut stream = std::pin::pin!(watcher(api, config).default_backoff().applied_objects());
            while let Some(event) = stream.next().await {
                // An API server that is away is asked again.
                let Ok(object) = event else { continue };
                let (Some(name), Some(value)) = (object.meta().name.clone(), value(&object)) else { continue };
                let mut record = lock(&record);
                let history = record.entry(name).or_default();
                if history.last().is_none_or(|(_, last)| *last != value) {
                    history.push((Timestamp::now(), value));
                }
            }
        });
        Self { seen, _task: AbortOnDropHandle::new(task) }
    }

    pub fn of(&self, name: &str) -> History<V> {
        lock(&self.seen).get(name).cloned().unwrap_or_default()
    }

    /// When the last object got its first value, once `count` objects have one.
    pub fn complete(&self, count: usize) -> Option<Timestamp> {
        let seen = lock(&self.seen);
        let firsts = seen.values().filter_map(|history| history.first().map(|(at, _)| *at));
        (seen.len() >= count).then(|| firsts.max())?
    }

    /// How many objects have a value now that is so.
    pub fn count(&self, is_so: impl Fn(&V) -> bool) -> usize {
        lock(&self.seen).values().filter(|history| history.last().is_some_and(|(_, value)| is_so(value))).count()
    }
}

fn lock<V>(seen: &Mutex<Seen<V>>) -> MutexGuard<'_, Seen<V>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
