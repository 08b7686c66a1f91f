//! Keeps a subscription alive and hands every delivery to a task of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::broker::{Broker, Subscription};
use super::pauses;
use super::task::{Worker, handle};

/// A subscription that lived this long was sound: the next failure is a new one.
const SOUND: Duration = Duration::from_secs(60);

/// Until told to stop and everything in hand is settled, or told to abort.
pub(super) async fn run(worker: Arc<Worker>, broker: &dyn Broker) {
    let tasks = TaskTracker::new();
    let mut pause = pauses();
    while !worker.shutdown.stopping() {
        worker.ledger.begin_session();
        let Some(slots) = free_slots(&worker).await else { break };
        let subscribed = tokio::select! {
            biased;
            () = worker.shutdown.stopped() => break,
            subscribed = broker.subscribe(slots) => subscribed,
        };
        match subscribed {
            Ok(subscription) => {
                let since = Instant::now();
                info!(slots, "taking tasks");
                if serve(&worker, subscription, slots, &tasks).await == Served::ToTheEnd {
                    return;
                }
                if since.elapsed() > SOUND {
                    pause = pauses();
                }
                warn!(
                    in_flight = worker.ledger.in_flight(),
                    "the subscription is lost; what is running goes on, and the broker delivers it again"
                );
            }
            Err(error) => warn!(%error, "no tasks to be had; trying again"),
        }
        tokio::select! {
            () = worker.shutdown.stopped() => {}
            () = tokio::time::sleep(pause.next().unwrap_or(SOUND)) => {}
        }
    }
    finish(&worker, &tasks).await;
}

#[derive(PartialEq, Eq)]
enum Served {
    /// Stopped in order, or aborted.
    ToTheEnd,
    Lost,
}

async fn serve(
    worker: &Arc<Worker>,
    mut subscription: Box<dyn Subscription>,
    mut slots: u16,
    tasks: &TaskTracker,
) -> Served {
    worker.ledger.set_consuming(true);
    let mut stopped = false;
    loop {
        let freed = worker.ledger.freed();
        let free = worker.ledger.slots_for_session();
        if free > slots && !stopped {
            subscription.resize(free).await;
            slots = free;
            continue;
        }
        tokio::select! {
            biased;
            () = worker.shutdown.stopped(), if !stopped => {
                info!(in_flight = worker.ledger.in_flight(), "stopping: no more tasks are taken, running ones finish");
                stopped = true;
                worker.ledger.set_consuming(false);
                subscription.stop().await;
            }
            delivery = subscription.next() => match delivery {
                Some(delivery) => {
                    // Counted here, before anything else can happen to it.
                    let held = worker.ledger.arrived(worker.epoch);
                    tasks.spawn(handle(worker.clone(), delivery, held));
                }
                None => break,
            },
            () = freed, if slots < worker.slots() => {}
        }
    }
    worker.ledger.set_consuming(false);
    if !stopped {
        return Served::Lost;
    }
    finish(worker, tasks).await;
    if !worker.shutdown.aborting() {
        subscription.close().await;
    }
    Served::ToTheEnd
}

/// Waits until tasks of earlier connections leave a slot; `None` = stopping.
async fn free_slots(worker: &Worker) -> Option<u16> {
    loop {
        let freed = worker.ledger.freed();
        match worker.ledger.slots_for_session() {
            0 => tokio::select! {
                () = worker.shutdown.stopped() => return None,
                () = freed => {}
            },
            slots => return Some(slots),
        }
    }
}

/// Waits for what is running. An abort reaches the tasks too: they end their commands at once.
async fn finish(worker: &Worker, tasks: &TaskTracker) {
    tasks.close();
    tasks.wait().await;
    let counts = worker.ledger.snapshot(worker.epoch).counts;
    info!(
        completed = counts.completed,
        failed = counts.failed,
        released = counts.released,
        interrupted = counts.interrupted,
        "stopped"
    );
}
