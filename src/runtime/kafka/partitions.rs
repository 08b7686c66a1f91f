//! All partitions of this member. Decides what to do; the poller does it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::committer::Commit;
use super::metadata::{LIMIT, Ranges};
use super::partition::{Ack, Partition};
use super::record::{Key, Record};
use crate::runtime::broker::Settled;

/// Bytes at hand in all partitions together; above, one record each must do.
const MUCH: usize = 16 << 20;

/// Where a partition's work begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    pub key: Key,
    pub position: i64,
    pub inherited: Ranges,
    /// The position was read from a commit.
    pub committed: bool,
}

/// A record to be worked on.
#[derive(Debug)]
pub struct Out {
    pub key: Key,
    pub tenure: u64,
    pub record: Arc<Record>,
    pub lost: CancellationToken,
}

#[derive(Debug)]
pub struct Partitions {
    held: BTreeMap<Key, Partition>,
    tenures: u64,
    /// Where the last record was taken: the next partition is asked first.
    last: Option<Key>,
    /// Partitions may be about to move: records are taken together, so that the others stay free to go.
    pub gathers: bool,
    /// Bytes of metadata that the broker takes.
    limit: usize,
    /// Cancelled when everything is lost.
    session: CancellationToken,
}

fn out(key: &Key, partition: &Partition, record: Arc<Record>) -> Out {
    Out { key: key.clone(), tenure: partition.tenure, record, lost: partition.lost.clone() }
}

impl Partitions {
    pub fn new(session: CancellationToken) -> Self {
        Self { held: BTreeMap::new(), tenures: 0, last: None, gathers: false, limit: LIMIT, session }
    }

    pub fn assign(&mut self, starts: Vec<Start>) {
        for start in starts {
            let Start { key, position, inherited, committed } = start;
            let (tenure, lost) = self.next_tenure();
            self.held.insert(key, Partition::new(tenure, position, inherited, committed, lost));
        }
    }

    /// They are to be given up when at rest.
    pub fn revoke(&mut self, keys: &[Key]) {
        for key in keys {
            if let Some(partition) = self.held.get_mut(key) {
                partition.revoke();
            }
        }
    }

    /// They are given up, or lost: whoever works on a record of theirs is told. Answers how many.
    pub fn remove(&mut self, keys: &[Key]) -> usize {
        keys.iter().filter_map(|key| self.held.remove(key)).map(|partition| partition.running()).sum()
    }

    pub fn at_rest(&self, keys: &[Key]) -> bool {
        keys.iter().filter_map(|key| self.held.get(key)).all(Partition::at_rest)
    }

    pub fn running(&self, keys: &[Key]) -> usize {
        keys.iter().filter_map(|key| self.held.get(key)).map(Partition::running).sum()
    }

    /// `true` = the partition's log began again, and with it the work on it.
    pub fn arrive(&mut self, record: Record) -> bool {
        let Some(partition) = self.held.get_mut(&record.key) else { return false };
        let record = Arc::new(record);
        if partition.arrive(record.clone()) {
            return false;
        }
        let key = record.key.clone();
        let start = Start { key, position: record.offset, inherited: Ranges::new(), committed: false };
        self.assign(vec![start]);
        if let Some(partition) = self.held.get_mut(&record.key) {
            partition.arrive(record);
        }
        true
    }

    /// The next record to be worked on, from all partitions in turn.
    pub fn take(&mut self) -> Option<Out> {
        self.take_from_busy().or_else(|| self.take_in_turn())
    }

    /// While partitions may move, from the one most of whose tasks run here: a partition with a running task
    /// cannot go to another worker, and with it would stay all that waits in it.
    fn take_from_busy(&mut self) -> Option<Out> {
        let limit = self.limit;
        let mut busy: Vec<_> =
            self.held.iter_mut().filter(|(_, partition)| self.gathers && partition.running() > 0).collect();
        busy.sort_by_key(|(_, partition)| Reverse(partition.running()));
        busy.into_iter().find_map(|(key, partition)| partition.take(limit).map(|record| out(key, partition, record)))
    }

    fn take_in_turn(&mut self) -> Option<Out> {
        let limit = self.limit;
        let after = self.last.clone();
        let (before, behind): (Vec<_>, Vec<_>) =
            self.held.iter_mut().partition(|(key, _)| after.as_ref().is_some_and(|after| *key <= after));
        for (key, partition) in behind.into_iter().chain(before) {
            if let Some(record) = partition.take(limit) {
                self.last = Some(key.clone());
                return Some(out(key, partition, record));
            }
        }
        None
    }

    pub fn done(&mut self, key: &Key, tenure: u64, offset: i64, ack: Ack) {
        match self.of(key, tenure) {
            Some(partition) => partition.done(offset, ack),
            None => drop(ack.send(Settled::Lost)),
        }
    }

    pub fn gone(&mut self, key: &Key, tenure: u64, record: Arc<Record>) {
        if let Some(partition) = self.of(key, tenure) {
            partition.gone(record);
        }
    }

    /// Which partitions to pause and which to resume, marked as so.
    pub fn turns(&mut self) -> (Vec<Key>, Vec<Key>) {
        let limit = self.limit;
        let much = self.held.values().map(Partition::bytes_at_hand).sum::<usize>() > MUCH;
        let (mut pause, mut resume) = (Vec::new(), Vec::new());
        for (key, partition) in &mut self.held {
            let paused = partition.wants_pause(limit, much);
            if paused != partition.paused {
                partition.paused = paused;
                if paused { &mut pause } else { &mut resume }.push(key.clone());
            }
        }
        (pause, resume)
    }

    /// Everything that is not committed.
    pub fn due(&mut self) -> Vec<Commit> {
        let limit = self.limit;
        let due = self.held.iter_mut().filter_map(|(key, partition)| {
            let point = partition.due(limit)?;
            Some(Commit { key: key.clone(), tenure: partition.tenure, point, refused: None })
        });
        due.collect()
    }

    /// The answer to a commit.
    pub fn answered(&mut self, commit: Commit) {
        let Some(partition) = self.of(&commit.key, commit.tenure) else { return };
        match commit.refused {
            None => partition.settled(commit.point),
            Some(_) => partition.unsettled(),
        }
    }

    /// The broker allows less metadata than usual.
    pub fn shrink_metadata(&mut self) {
        self.limit /= 2;
    }

    pub fn keys(&self) -> Vec<Key> {
        self.held.keys().cloned().collect()
    }

    fn of(&mut self, key: &Key, tenure: u64) -> Option<&mut Partition> {
        self.held.get_mut(key).filter(|partition| partition.tenure == tenure)
    }

    fn next_tenure(&mut self) -> (u64, CancellationToken) {
        self.tenures += 1;
        (self.tenures, self.session.child_token())
    }
}
