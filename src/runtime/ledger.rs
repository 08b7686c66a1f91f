//! The worker's books: what it holds, what it did. `/status` reads them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

#[derive(Debug)]
pub struct Ledger {
    slots: u16,
    books: Mutex<Books>,
    /// Told whenever a task is no longer held.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Books {
    consuming: bool,
    /// Counts up with every connection.
    session: u64,
    /// Tasks in this process, by the session they came with, from their arrival until settled.
    held: BTreeMap<u64, u32>,
    /// Tasks at work now, and the sum of their starts: busy time without a list of tasks.
    running: u32,
    started: Duration,
    finished: Duration,
    counts: Counts,
}

/// Since the worker started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub completed: u64,
    pub failed: u64,
    /// Given back, not begun.
    pub released: u64,
    /// Deliveries whose connection went away before they were settled: the broker delivers them again.
    pub interrupted: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapshot {
    pub slots: u16,
    pub consuming: bool,
    pub in_flight: u32,
    pub running: u32,
    /// Sum over tasks of time at work, finished and running.
    pub busy: Duration,
    pub counts: Counts,
}

impl Ledger {
    pub fn new(slots: u16) -> Self {
        Self { slots, books: Mutex::default(), freed: Notify::new() }
    }

    pub fn snapshot(&self, epoch: Epoch) -> Snapshot {
        let books = self.books();
        let running = (epoch.0.elapsed() * books.running).saturating_sub(books.started);
        Snapshot {
            slots: self.slots,
            consuming: books.consuming,
            in_flight: books.held.values().sum(),
            running: books.running,
            busy: books.finished + running,
            counts: books.counts,
        }
    }

    /// Tasks that have reached the process and are not settled.
    pub fn in_flight(&self) -> u32 {
        self.books().held.values().sum()
    }

    pub(super) fn set_consuming(&self, consuming: bool) {
        self.books().consuming = consuming;
    }

    /// A new connection: what is still held came by one that is gone.
    pub(super) fn begin_session(&self) {
        self.books().session += 1;
    }

    /// Slots not taken by tasks of earlier connections. The broker no longer counts those, but they
    /// still run here.
    pub(super) fn slots_for_session(&self) -> u16 {
        let books = self.books();
        let orphans: u32 = books.held.range(..books.session).map(|(_, held)| held).sum();
        self.slots.saturating_sub(u16::try_from(orphans).unwrap_or(u16::MAX))
    }

    /// Until a task is no longer held. Create the future before looking.
    pub(super) fn freed(&self) -> impl Future<Output = ()> {
        self.freed.notified()
    }

    /// A task has reached the process.
    pub(super) fn arrived(self: &Arc<Self>, epoch: Epoch) -> Held {
        let mut books = self.books();
        let session = books.session;
        *books.held.entry(session).or_default() += 1;
        Held { ledger: self.clone(), epoch, session, started: None }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the worker started; busy time is counted from it.
#[derive(Clone, Copy, Debug)]
pub struct Epoch(pub Instant);

/// A task in this process. Dropping it says that it is settled, one way or another.
#[derive(Debug)]
pub(super) struct Held {
    ledger: Arc<Ledger>,
    epoch: Epoch,
    session: u64,
    started: Option<Duration>,
}

impl Held {
    pub fn started(&mut self) {
        let now = self.epoch.0.elapsed();
        self.started = Some(now);
        let mut books = self.ledger.books();
        books.running += 1;
        books.started += now;
    }

    /// The work is over, however it went; settling may take longer. Answers how long it took.
    pub fn ended(&mut self) -> Duration {
        let Some(started) = self.started.take() else { return Duration::ZERO };
        let now = self.epoch.0.elapsed();
        let mut books = self.ledger.books();
        books.running -= 1;
        books.started = books.started.saturating_sub(started);
        let took = now.saturating_sub(started);
        books.finished += took;
        took
    }

    pub fn count(&self, add: impl FnOnce(&mut Counts)) {
        add(&mut self.ledger.books().counts);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.ended();
        let mut books = self.ledger.books();
        if let Some(held) = books.held.get_mut(&self.session) {
            *held -= 1;
            if *held == 0 {
                books.held.remove(&self.session);
            }
        }
        drop(books);
        self.ledger.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_is_in_flight_from_arrival_until_settled() {
        let (ledger, epoch) = (Arc::new(Ledger::new(2)), Epoch(Instant::now()));
        let mut held = ledger.arrived(epoch);
        assert_eq!((ledger.in_flight(), ledger.snapshot(epoch).running), (1, 0));
        held.started();
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(ledger.snapshot(epoch).busy, Duration::from_secs(5));
        assert_eq!(held.ended(), Duration::from_secs(5));
        tokio::time::advance(Duration::from_secs(5)).await;
        let snapshot = ledger.snapshot(epoch);
        assert_eq!((snapshot.in_flight, snapshot.running, snapshot.busy), (1, 0, Duration::from_secs(5)));
        drop(held);
        assert_eq!(ledger.in_flight(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn busy_time_sums_over_tasks_side_by_side() {
        let (ledger, epoch) = (Arc::new(Ledger::new(2)), Epoch(Instant::now()));
        let (mut first, mut second) = (ledger.arrived(epoch), ledger.arrived(epoch));
        first.started();
        tokio::time::advance(Duration::from_secs(2)).await;
        second.started();
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(ledger.snapshot(epoch).busy, Duration::from_secs(8));
        drop(first);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(ledger.snapshot(epoch).busy, Duration::from_secs(9));
    }

    #[tokio::test]
    async fn a_new_connection_is_asked_only_for_the_slots_that_old_tasks_leave() {
        let (ledger, epoch) = (Arc::new(Ledger::new(3)), Epoch(Instant::now()));
        ledger.begin_session();
        let old = [ledger.arrived(epoch), ledger.arrived(epoch)];
        assert_eq!(ledger.slots_for_session(), 3);
        ledger.begin_session();
        assert_eq!(ledger.slots_for_session(), 1);
        let _new = ledger.arrived(epoch);
        assert_eq!(ledger.slots_for_session(), 1);
        drop(old);
        assert_eq!(ledger.slots_for_session(), 3);
    }
}
