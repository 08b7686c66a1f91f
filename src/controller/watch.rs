//! Watches that fill caches, and end when nobody holds them.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use kube::ResourceExt;
use kube::core::Status;
use kube::runtime::watcher::{self, Event};
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::Jitter;
use super::cache::Cache;

/// A cache and the watch that keeps it; dropping it ends the watch.
#[derive(Debug)]
pub struct Watched<K> {
    pub cache: Arc<Cache<K>>,
    forbidden: Arc<AtomicBool>,
    _task: AbortOnDropHandle<()>,
}

impl<K> Watched<K> {
    /// The API server's last word was that this may not be watched.
    pub fn forbidden(&self) -> bool {
        self.forbidden.load(Ordering::Relaxed)
    }
}

/// Follows `stream` for ever: errors are logged and tried again with backoff, and touch nothing that is cached.
pub fn follow<K, S>(
    kind: &'static str,
    stream: S,
    cache: Arc<Cache<K>>,
    jitter: Jitter,
    on_change: impl Fn(BTreeSet<String>) + Send + 'static,
) -> Watched<K>
where
    K: ResourceExt + Clone + Send + Sync + 'static,
    S: Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
{
    let filled = cache.clone();
    let forbidden = Arc::new(AtomicBool::new(false));
    let refused = forbidden.clone();
    let task = tokio::spawn(async move {
        let mut stream = std::pin::pin!(stream);
        let mut failures = 0;
        while let Some(event) = stream.next().await {
            match event {
                Ok(event) => {
                    // `Init` only says that a list is about to be tried.
                    if !matches!(event, Event::Init) {
                        refused.store(false, Ordering::Relaxed);
                        failures = 0;
                    }
                    let event = event.modify(|object| object.managed_fields_mut().clear());
                    let done = matches!(event, Event::InitDone);
                    let touched = filled.apply(event);
                    if done || !touched.is_empty() {
                        on_change(touched);
                    }
                }
                Err(error) => {
                    tracing::warn!(kind, error = %describe(&error), "watch interrupted, trying again");
                    if is_forbidden(&error) && !refused.swap(true, Ordering::Relaxed) {
                        on_change(BTreeSet::new());
                    }
                    sleep(backoff(failures, jitter())).await;
                    failures += 1;
                }
            }
        }
    });
    Watched { cache, forbidden, _task: AbortOnDropHandle::new(task) }
}

/// 0.5 s doubling to 8 s, jittered: an API server that was away for a minute is followed again within seconds,
/// and its restart is not met by everything at once.
fn backoff(failures: u32, jitter: f64) -> Duration {
    Duration::from_millis(500 << failures.min(4)).mul_f64(0.5 + jitter / 2.0)
}

fn answer(error: &watcher::Error) -> Option<&Status> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status),
        _ => None,
    }
}

fn describe(error: &watcher::Error) -> String {
    answer(error).map_or_else(|| error.to_string(), |status| format!("{} {}", status.code, status.message))
}

fn is_forbidden(error: &watcher::Error) -> bool {
    answer(error).is_some_and(|status| status.code == 403)
}

/// Watches that several pools share, by what they watch: the first who asks starts one, the last who
/// lets go ends it.
#[derive(Debug)]
pub struct Shared<Key, K> {
    watches: Mutex<HashMap<Key, Weak<Watched<K>>>>,
}

impl<Key, K> Default for Shared<Key, K> {
    fn default() -> Self {
        Self { watches: Mutex::default() }
    }
}

impl<Key: Hash + Eq + Clone + Debug, K> Shared<Key, K> {
    pub fn get_or_start(&self, key: &Key, start: impl FnOnce() -> Watched<K>) -> Arc<Watched<K>> {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = watches.get(key).and_then(Weak::upgrade) {
            return running;
        }
        watches.retain(|_, watch| watch.strong_count() > 0);
        let started = Arc::new(start());
        watches.insert(key.clone(), Arc::downgrade(&started));
        started
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use futures::stream;
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    /// A list that fails over and over, each time announced by `Init`, and counts how often it was tried.
    fn failing(tries: Arc<AtomicU32>) -> impl Stream<Item = watcher::Result<Event<ConfigMap>>> {
        stream::iter(0u64..).map(move |step| {
            if step % 2 == 0 {
                return Ok(Event::Init);
            }
            tries.fetch_add(1, Ordering::Relaxed);
            Err(watcher::Error::NoResourceVersion)
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_is_refused_asks_less_and_less_often() {
        let tries = Arc::new(AtomicU32::new(0));
        let watched = follow("ConfigMap", failing(tries.clone()), Arc::new(Cache::new(|_| None)), || 0.5, |_| ());
        sleep(Duration::from_secs(120)).await;
        let tries = tries.load(Ordering::Relaxed);
        assert!((15..=40).contains(&tries), "{tries} tries in two minutes");
        assert!(!watched.cache.synced());
    }
}
