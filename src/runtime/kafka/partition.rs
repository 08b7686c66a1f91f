//! One partition while it is ours: what has arrived, what is out, what is done, what is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::metadata::{self, Ranges};
use super::progress::{Arrival, Progress};
use super::record::Record;
use crate::runtime::broker::Settled;

/// Records at hand that are enough: fetching pauses. They wait here only because librdkafka throws
/// away what it has fetched whenever it pauses; nobody else could have them, they are this owner's.
const ENOUGH: usize = 16;
/// So few: it goes on.
const FEW: usize = 4;
/// Bytes of the commit's metadata that one more task may come to need.
const PER_TASK: usize = 6;

/// Hears when a task's end is committed.
pub type Ack = oneshot::Sender<Settled>;

/// What to commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    pub position: i64,
    pub metadata: String,
}

#[derive(Debug)]
pub struct Partition {
    /// Tells this ownership from an earlier one.
    pub tenure: u64,
    pub lost: CancellationToken,
    /// To be given up as soon as it is at rest.
    pub revoked: bool,
    pub paused: bool,
    progress: Progress,
    ready: BTreeMap<i64, Arc<Record>>,
    out: BTreeSet<i64>,
    /// Ends that no commit holds yet.
    acks: Vec<Ack>,
    /// Those that the commit under way holds; `None` = none is.
    in_commit: Option<Vec<Ack>>,
    committed: Option<Point>,
    /// Something may have to be committed.
    touched: bool,
    /// Bytes of the metadata at the last look; `None` = not all was in it.
    metadata_size: Option<usize>,
}

impl Partition {
    /// `committed`: whether the position was read from a commit. Where there is none the start is
    /// committed at once: else what arrives while there is no worker would be skipped (`Latest`).
    pub fn new(tenure: u64, position: i64, inherited: Ranges, committed: bool, lost: CancellationToken) -> Self {
        let progress = Progress::new(position, inherited);
        let (metadata, metadata_whole) = metadata::encode(position, &progress.done_above(), metadata::LIMIT);
        Self {
            tenure,
            lost,
            revoked: false,
            paused: false,
            metadata_size: metadata_whole.then_some(metadata.len()),
            committed: committed.then_some(Point { position: progress.position(), metadata }),
            progress,
            ready: BTreeMap::new(),
            out: BTreeSet::new(),
            acks: Vec::new(),
            in_commit: None,
            touched: !committed,
        }
    }

    /// `false` = the log has begun again: this ownership is over, another must begin.
    pub fn arrive(&mut self, record: Arc<Record>) -> bool {
        match self.progress.arrive(record.offset) {
            // A commit may now pass an offset that is not there.
            Arrival::DoneBefore => self.touched = true,
            Arrival::New if !self.revoked => drop(self.ready.insert(record.offset, record)),
            // Open, and never to be done here: the position stays below it.
            Arrival::New | Arrival::Again => {}
            Arrival::Restart => return false,
        }
        true
    }

    /// The next record to be worked on.
    pub fn take(&mut self, limit: usize) -> Option<Arc<Record>> {
        if self.revoked || !self.has_room(limit) {
            return None;
        }
        let (offset, record) = self.ready.pop_first()?;
        self.out.insert(offset);
        Some(record)
    }

    /// Everything that is done now and later can be told in the commit's metadata. The lowest record may
    /// always be begun: its end is what makes room.
    fn has_room(&self, limit: usize) -> bool {
        self.out.is_empty() || self.metadata_size.is_some_and(|size| size + PER_TASK * self.out.len() <= limit)
    }

    pub fn done(&mut self, offset: i64, ack: Ack) {
        self.progress.done(offset);
        self.out.remove(&offset);
        self.acks.push(ack);
        self.touched = true;
    }

    /// It is no longer worked on. What was not done is at hand again.
    pub fn gone(&mut self, record: Arc<Record>) {
        if self.out.remove(&record.offset) && !self.revoked {
            self.ready.insert(record.offset, record);
        }
    }

    pub fn revoke(&mut self) {
        self.revoked = true;
        self.ready.clear();
    }

    /// Nobody here works on it, and the broker knows all that was done.
    pub fn at_rest(&self) -> bool {
        self.out.is_empty() && self.acks.is_empty() && self.in_commit.is_none() && !self.touched
    }

    pub fn running(&self) -> usize {
        self.out.len()
    }

    /// Whether to fetch for it; differs from what is so = change it.
    pub fn wants_pause(&self, limit: usize, much_at_hand: bool) -> bool {
        let enough = if self.paused { FEW } else { ENOUGH };
        self.revoked || !self.has_room(limit) || self.ready.len() >= enough || (much_at_hand && !self.ready.is_empty())
    }

    pub fn bytes_at_hand(&self) -> usize {
        self.ready.values().map(|record| record.size()).sum()
    }

    /// What to commit now; whoever waits for it hears from [`Self::settled`].
    pub fn due(&mut self, limit: usize) -> Option<Point> {
        if !std::mem::take(&mut self.touched) {
            return None;
        }
        let position = self.progress.position();
        let (metadata, whole) = metadata::encode(position, &self.progress.done_above(), limit);
        self.metadata_size = whole.then_some(metadata.len());
        let point = Point { position, metadata };
        if self.committed.as_ref() == Some(&point) {
            answer(&mut self.acks, Settled::Yes);
            return None;
        }
        self.in_commit = Some(std::mem::take(&mut self.acks));
        Some(point)
    }

    /// The broker has it.
    pub fn settled(&mut self, point: Point) {
        self.committed = Some(point);
        answer(&mut self.in_commit.take().unwrap_or_default(), Settled::Yes);
    }

    /// The broker did not take it: to be tried again.
    pub fn unsettled(&mut self) {
        self.acks.append(&mut self.in_commit.take().unwrap_or_default());
        self.touched = true;
    }
}

fn answer(acks: &mut Vec<Ack>, settled: Settled) {
    for ack in acks.drain(..) {
        // Who no longer waits need not know.
        let _ = ack.send(settled);
    }
}

impl Drop for Partition {
    /// Whatever was not committed goes to the next owner.
    fn drop(&mut self) {
        answer(&mut self.in_commit.take().unwrap_or_default(), Settled::Lost);
        answer(&mut self.acks, Settled::Lost);
        self.lost.cancel();
    }
}
