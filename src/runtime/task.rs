//! One task, from its arrival until the broker knows how it went.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{error, info, warn};

use super::broker::{Delivery, Message, Settled};
use super::ledger::{Epoch, Held, Ledger};
use super::settings::Settings;
use super::shutdown::Shutdown;
use super::work::{Outcome, Task, Work};
use super::{pauses, payload};

/// What all tasks of this process share.
pub(super) struct Worker {
    settings: Settings,
    work: Work,
    /// Bounds what runs at once whatever a broker delivers: after a reconnect it knows nothing of
    /// the tasks that are still running here.
    free: Arc<Semaphore>,
    pub ledger: Arc<Ledger>,
    pub shutdown: Shutdown,
    pub epoch: Epoch,
}

impl Worker {
    pub fn new(settings: Settings, work: Work, ledger: Arc<Ledger>, shutdown: Shutdown, epoch: Epoch) -> Self {
        let free = Arc::new(Semaphore::new(usize::from(settings.slots)));
        Self { settings, work, free, ledger, shutdown, epoch }
    }

    pub fn slots(&self) -> u16 {
        self.settings.slots
    }
}

pub(super) async fn handle(worker: Arc<Worker>, delivery: Box<dyn Delivery>, mut held: Held) {
    let delivery = &*delivery;
    match turn(&worker, delivery).await {
        Turn::Now(_slot) => perform(&worker, delivery, &mut held).await,
        Turn::Stopping => release(delivery, &held).await,
        Turn::Lost => interrupted(delivery.message(), &held, "not begun"),
    }
}

enum Turn {
    Now(OwnedSemaphorePermit),
    Stopping,
    Lost,
}

async fn turn(worker: &Worker, delivery: &dyn Delivery) -> Turn {
    tokio::select! {
        biased;
        () = delivery.lost().cancelled() => Turn::Lost,
        () = worker.shutdown.stopped() => Turn::Stopping,
        slot = worker.free.clone().acquire_owned() => slot.map_or(Turn::Stopping, Turn::Now),
    }
}

async fn perform(worker: &Worker, delivery: &dyn Delivery, held: &mut Held) {
    let message = delivery.message();
    let settings = &worker.settings;
    if let Err(reason) = payload::check(message, settings.max_payload, &settings.task_types) {
        fail(worker, delivery, held, &reason, 0.0).await;
        return;
    }
    let mut pause = pauses();
    loop {
        held.started();
        let task = Task { message, timeout: settings.task_timeout, now: SystemTime::now() };
        let outcome = worker.work.run(&task, &worker.shutdown).await;
        let seconds = held.ended().as_secs_f64();
        match outcome {
            Outcome::Done => return complete(delivery, held, seconds).await,
            Outcome::Failed(reason) => return fail(worker, delivery, held, &reason, seconds).await,
            Outcome::Aborted => {
                warn!(task = message.id, seconds, "ended by a second signal; the broker delivers the task again");
                return;
            }
            // Not the task's fault: a machine without memory or processes must not turn a queue
            // into dead letters.
            Outcome::NotStarted(cause) => {
                error!(task = message.id, cause, "the command cannot be started; trying again");
                tokio::select! {
                    () = delivery.lost().cancelled() => return interrupted(message, held, "not begun"),
                    () = worker.shutdown.stopped() => return release(delivery, held).await,
                    () = tokio::time::sleep(pause.next().unwrap_or_default()) => {}
                }
            }
        }
    }
}

async fn complete(delivery: &dyn Delivery, held: &Held, seconds: f64) {
    let message = delivery.message();
    held.count(|counts| counts.completed += 1);
    match delivery.ack().await {
        Settled::Yes => {
            let (attempt, redelivered) = (message.attempt, message.redelivered);
            info!(task = message.id, attempt, redelivered, seconds, outcome = "done");
        }
        Settled::Lost => interrupted(message, held, "done"),
    }
}

/// Dead-letters, then acknowledges: in this order a failure in between leaves two copies, never none.
/// While the dead letter is not confirmed the original stays out and keeps its slot; it is not
/// requeued, because it would come straight back, run again and count towards the delivery limit.
async fn fail(worker: &Worker, delivery: &dyn Delivery, held: &Held, reason: &str, seconds: f64) {
    let message = delivery.message();
    held.count(|counts| counts.failed += 1);
    let mut pause = pauses();
    while let Err(error) = delivery.dead_letter(reason).await {
        if worker.shutdown.stopping() {
            error!(task = message.id, reason, %error, "not dead-lettered; the task goes back to its queue");
            return;
        }
        error!(task = message.id, reason, %error, "not dead-lettered; the task is kept, trying again");
        tokio::select! {
            () = delivery.lost().cancelled() => return interrupted(message, held, "failed"),
            // One last attempt, then it is left to the broker.
            () = worker.shutdown.stopped() => {}
            () = tokio::time::sleep(pause.next().unwrap_or_default()) => {}
        }
    }
    match delivery.ack().await {
        Settled::Yes => {
            warn!(task = message.id, attempt = message.attempt, seconds, outcome = "dead-lettered", reason);
        }
        Settled::Lost => interrupted(message, held, "dead-lettered"),
    }
}

async fn release(delivery: &dyn Delivery, held: &Held) {
    match delivery.release().await {
        Settled::Yes => {
            held.count(|counts| counts.released += 1);
            info!(task = delivery.message().id, outcome = "released", "given back, not begun");
        }
        Settled::Lost => interrupted(delivery.message(), held, "not begun"),
    }
}

fn interrupted(message: &Message, held: &Held, progress: &str) {
    held.count(|counts| counts.interrupted += 1);
    warn!(
        task = message.id,
        attempt = message.attempt,
        outcome = "interrupted",
        progress,
        "its connection is gone before the broker heard of it: the broker delivers it again"
    );
}
