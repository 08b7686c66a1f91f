//! One task per pool: a slow API call, a hung worker or a panic of one pool delays no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::Context;
use super::memory::Memory;
use super::reconcile::{Pass, reconcile};
use super::siblings;
use super::world::{PoolKey, Touched};
use crate::ops::metrics::ErrorLabels;

/// A pass that takes longer hangs on something; it is given up and tried again.
const PASS_LIMIT: Duration = Duration::from_secs(30);

/// A pool that panicked is looked at again after this long.
const AFTER_PANIC: Duration = Duration::from_secs(10);

/// Waits after failed passes double from the first to the last.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Changes that arrive together (a Deployment and its pods) make one pass.
const COALESCE: Duration = Duration::from_millis(20);

/// Touches taken at a time.
const TOGETHER: usize = 256;

struct Actor {
    wake: Arc<Notify>,
    _task: AbortOnDropHandle<()>,
}

/// Starts and ends the pools' tasks and wakes them, until `stop`.
pub async fn run(context: Arc<Context>, mut touched: UnboundedReceiver<(String, Touched)>, stop: CancellationToken) {
    let mut actors: BTreeMap<PoolKey, Actor> = BTreeMap::new();
    let mut waiting = Vec::new();
    loop {
        let arrived = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            arrived = touched.recv_many(&mut waiting, TOGETHER) => arrived,
        };
        if arrived == 0 {
            return;
        }
        keep_all(&context, &mut actors, &waiting);
        for (namespace, what) in waiting.drain(..) {
            match what {
                Touched::Pools(_) => {}
                Touched::OfPools(names) => wake_all(&actors, &namespace, names),
                Touched::Deployments(names) => {
                    let targets = context.siblings.read().unwrap_or_else(PoisonError::into_inner);
                    for name in &names {
                        targets.on_target(&namespace, name).iter().for_each(|sibling| wake(&actors, &sibling.key));
                    }
                    drop(targets);
                    wake_all(&actors, &namespace, names);
                }
            }
        }
    }
}

/// The pools among what was touched. All of them are looked through once for who meets whom, not once for each.
fn keep_all(context: &Arc<Context>, actors: &mut BTreeMap<PoolKey, Actor>, touched: &[(String, Touched)]) {
    let pools = touched.iter().filter_map(|(namespace, what)| match what {
        Touched::Pools(names) => Some(names.iter().map(move |name| (namespace, name))),
        _ => None,
    });
    let keys: BTreeSet<PoolKey> =
        pools.flatten().map(|(namespace, name)| PoolKey { namespace: namespace.clone(), name: name.clone() }).collect();
    // Neighbours on a queue or a target are told only when their circle changed.
    let held = keys.iter().all(|key| siblings::hold(context, key));
    let changed = if held { BTreeSet::new() } else { siblings::refresh(context) };
    for key in keys {
        keep(context, actors, key);
    }
    for key in &changed {
        wake(actors, key);
    }
}

/// Starts, wakes or ends the task of a pool, whichever its cache entry asks for.
fn keep(context: &Arc<Context>, actors: &mut BTreeMap<PoolKey, Actor>, key: PoolKey) {
    let pool = context.world.namespaces.get(&key.namespace).and_then(|ns| ns.pools.cache.get(&key.name));
    match pool.as_deref() {
        None => {
            if actors.remove(&key).is_some() {
                context.parts.metrics.forget(&key.labels());
                context.parts.explanations.forget(&key);
            }
        }
        Some(listed) => {
            if let Err(invalid) = &listed.0 {
                context.parts.metrics.undecodable.inc();
                tracing::error!(pool = %key, error = %invalid.error, "this pool cannot be decoded; its workers stay as they are");
            }
            actors.entry(key.clone()).or_insert_with(|| spawn(context.clone(), key)).wake.notify_one();
        }
    }
}

fn wake(actors: &BTreeMap<PoolKey, Actor>, key: &PoolKey) {
    if let Some(actor) = actors.get(key) {
        actor.wake.notify_one();
    }
}

fn wake_all(actors: &BTreeMap<PoolKey, Actor>, namespace: &str, names: BTreeSet<String>) {
    for name in names {
        wake(actors, &PoolKey { namespace: namespace.to_owned(), name });
    }
}

fn spawn(context: Arc<Context>, key: PoolKey) -> Actor {
    let wake = Arc::new(Notify::new());
    let awoken = wake.clone();
    let task = tokio::spawn(async move {
        loop {
            let life = AbortOnDropHandle::new(tokio::spawn(live(context.clone(), key.clone(), awoken.clone())));
            match life.await {
                Err(error) if error.is_panic() => {
                    tracing::error!(pool = %key, "a pass panicked; this pool holds and starts again in {AFTER_PANIC:?}");
                    sleep(AFTER_PANIC).await;
                }
                _ => return,
            }
        }
    });
    Actor { wake, _task: AbortOnDropHandle::new(task) }
}

/// Passes over one pool, for as long as it exists.
async fn live(context: Arc<Context>, key: PoolKey, wake: Arc<Notify>) {
    let mut memory = Memory::new(wake.clone(), context.parts.clock.now());
    let mut failures = 0;
    loop {
        let begun = tokio::time::Instant::now();
        // Boxed: a pool that sleeps, as most do, does not keep the room of a pass.
        let outcome = timeout(PASS_LIMIT, Box::pin(reconcile(&context, &key, &mut memory))).await;
        context.parts.metrics.reconcile_seconds.observe(begun.elapsed().as_secs_f64());
        match outcome {
            Ok(Ok(Pass { next })) => {
                failures = 0;
                tokio::select! { biased; () = wake.notified() => sleep(COALESCE).await, () = sleep(next) => () }
            }
            Ok(Err(error)) => {
                context.parts.metrics.errors.get_or_create(&ErrorLabels { step: error.step() }).inc();
                tracing::warn!(pool = %key, step = error.step(), error = %error, "pass failed, trying again");
                sleep(backoff(failures, (context.parts.jitter)())).await;
                failures += 1;
            }
            Err(_) => {
                context.parts.metrics.errors.get_or_create(&ErrorLabels { step: "timeout" }).inc();
                tracing::warn!(pool = %key, "pass gave up after {PASS_LIMIT:?}");
                sleep(backoff(failures, (context.parts.jitter)())).await;
                failures += 1;
            }
        }
    }
}

fn backoff(failures: u32, jitter: f64) -> Duration {
    let (first, last) = BACKOFF;
    let full = (first * 2u32.saturating_pow(failures.min(10))).min(last);
    full.mul_f64(0.5 + jitter / 2.0)
}
