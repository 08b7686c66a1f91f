//! Keeps what is held hidden from others: every message's time is renewed long before it ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Settings;
use crate::aws::{Failure, Kind};

/// What one request may hold.
const BATCH: usize = 10;

/// Renewals to a visibility timeout.
const RENEWALS: u32 = 3;

#[derive(Clone, Debug, Default)]
pub(super) struct Keeper {
    held: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    held: HashMap<u64, Held>,
}

#[derive(Clone, Debug)]
struct Held {
    receipt: String,
    /// From when its time is counted.
    since: Instant,
    /// Told when somebody else may have it.
    lost: CancellationToken,
}

impl Keeper {
    /// From now on its time is renewed, counted from `since`, until [`forget`](Self::forget).
    pub fn hold(&self, receipt: &str, since: Instant, lost: CancellationToken) -> u64 {
        let mut table = self.table();
        table.next += 1;
        let id = table.next;
        table.held.insert(id, Held { receipt: receipt.to_owned(), since, lost });
        id
    }

    pub fn forget(&self, id: u64) {
        self.table().held.remove(&id);
    }

    fn all(&self) -> Vec<(u64, Held)> {
        self.table().held.iter().map(|(id, held)| (*id, held.clone())).collect()
    }

    fn renewed(&self, id: u64, at: Instant) {
        if let Some(held) = self.table().held.get_mut(&id) {
            held.since = at;
        }
    }

    fn lose(&self, id: u64) {
        if let Some(held) = self.table().held.remove(&id) {
            held.lost.cancel();
        }
    }

    /// Those whose time has run out.
    fn lose_expired(&self, visibility: Duration) {
        for (id, held) in self.all() {
            if held.since.elapsed() >= visibility {
                warn!("the time of a task has run out before it could be renewed: the broker may deliver it again");
                self.lose(id);
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Renews until the process ends.
pub(super) async fn keep(keeper: Keeper, client: Client, settings: Arc<Settings>) {
    let mut ticks = tokio::time::interval(settings.visibility / RENEWALS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let held = keeper.all();
        let batches = held.chunks(BATCH).map(|batch| renew(&keeper, &client, &settings, batch));
        let failed: usize = futures::future::join_all(batches).await.into_iter().sum();
        keeper.lose_expired(settings.visibility);
        if failed > 0 {
            // There is time for several more tries before the messages show again.
            ticks.reset_after(settings.visibility / (RENEWALS * 4));
        }
    }
}

/// Answers how many were not renewed and may be yet.
async fn renew(keeper: &Keeper, client: &Client, settings: &Settings, batch: &[(u64, Held)]) -> usize {
    let seconds = i32::try_from(settings.visibility.as_secs()).unwrap_or(i32::MAX);
    let entries: Result<Vec<_>, _> = batch
        .iter()
        .map(|(id, held)| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(id.to_string())
                .receipt_handle(&held.receipt)
                .visibility_timeout(seconds)
                .build()
        })
        .collect();
    let Ok(entries) = entries else { return batch.len() };
    let asked = Instant::now();
    let request = client.change_message_visibility_batch().queue_url(&settings.queue_url).set_entries(Some(entries));
    match request.send().await {
        Ok(answer) => {
            for done in answer.successful() {
                if let Ok(id) = done.id().parse() {
                    keeper.renewed(id, asked);
                }
            }
            answer.failed().iter().filter(|failed| !lost(keeper, failed)).count()
        }
        Err(error) => {
            let failure = Failure::of(&error);
            warn!(
                tasks = batch.len(),
                cause = super::words(&failure, &settings.identity, &settings.queue_url, "ChangeMessageVisibility"),
                "the time of tasks is not renewed; trying again"
            );
            batch.len()
        }
    }
}

/// Whether an entry says that the message is not ours any more; else it may be tried again.
fn lost(keeper: &Keeper, failed: &BatchResultErrorEntry) -> bool {
    let gone = failed.sender_fault() || Kind::of_code(failed.code()) == Some(Kind::NotHeld);
    if let (true, Ok(id)) = (gone, failed.id().parse()) {
        warn!("a task's message is not held any more: the broker delivers it again, or has");
        keeper.lose(id);
    }
    gone
}
