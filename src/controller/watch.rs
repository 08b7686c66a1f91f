//! Watches that fill caches, and end when nobody holds them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use kube::core::Status;
use kube::runtime::watcher::{self, Event};
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::Jitter;
use super::cache::Cache;
use super::objects::Named;

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
    K: Named + Send + Sync + 'static,
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

/// Watches that several pools share, by namespace and what they select: the first who asks starts one, the last who
/// lets go ends it.
#[derive(Debug)]
pub struct Shared<K> {
    watches: Mutex<BTreeMap<(String, String), Sharing<K>>>,
}

#[derive(Debug)]
struct Sharing<K> {
    watch: Weak<Watched<K>>,
    listeners: Listeners,
}

/// Those who hold a watch: nobody else is woken by what it brings.
#[derive(Clone, Debug, Default)]
struct Listeners(Arc<Mutex<Vec<Weak<Notify>>>>);

impl Listeners {
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, wake: &Arc<Notify>) {
        let mut all = self.lock();
        all.retain(|known| known.strong_count() > 0 && known.as_ptr() != Arc::as_ptr(wake));
        all.push(Arc::downgrade(wake));
    }

    fn wake(&self) {
        self.lock().iter().filter_map(Weak::upgrade).for_each(|wake| wake.notify_one());
    }
}

impl<K> Default for Shared<K> {
    fn default() -> Self {
        Self { watches: Mutex::default() }
    }
}

impl<K> Shared<K> {
    /// The watch on `(namespace, selected)`; `start` is given what is to be called on changes. `wake` is notified of
    /// them from now on.
    pub fn get_or_start(
        &self,
        (namespace, selected): (&str, &str),
        wake: &Arc<Notify>,
        start: impl FnOnce(Box<dyn Fn(BTreeSet<String>) + Send>) -> Watched<K>,
    ) -> Arc<Watched<K>> {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (namespace.to_owned(), selected.to_owned());
        if let Some(sharing) = watches.get(&key)
            && let Some(running) = sharing.watch.upgrade()
        {
            sharing.listeners.add(wake);
            return running;
        }
        watches.retain(|_, sharing| sharing.watch.strong_count() > 0);
        let listeners = Listeners::default();
        listeners.add(wake);
        let told = listeners.clone();
        let started = Arc::new(start(Box::new(move |_| told.wake())));
        watches.insert(key, Sharing { watch: Arc::downgrade(&started), listeners });
        started
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;
    use crate::controller::objects::ConfigMap;
    use futures::stream;

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

    #[tokio::test(start_paused = true)]
    async fn a_shared_watch_wakes_those_who_hold_it_and_nobody_else() {
        let shared = Shared::default();
        let (mine, yours, stranger) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(Notify::new()));
        let start = |changed| {
            let events = stream::iter([Ok(Event::Init), Ok(Event::InitDone)]).chain(stream::pending());
            follow("ConfigMap", events, Arc::new(Cache::new(|_: &ConfigMap| None)), || 0.5, changed)
        };
        let one = shared.get_or_start(("agents", "login"), &mine, start);
        let same = shared.get_or_start(("agents", "login"), &yours, start);
        let other = shared.get_or_start(("agents", "another"), &stranger, |_| start(Box::new(|_| ())));
        assert!(Arc::ptr_eq(&one, &same) && !Arc::ptr_eq(&one, &other));
        let second = Duration::from_secs(1);
        assert!(tokio::time::timeout(second, mine.notified()).await.is_ok());
        assert!(tokio::time::timeout(second, yours.notified()).await.is_ok());
        assert!(tokio::time::timeout(second, stranger.notified()).await.is_err());
    }
}
