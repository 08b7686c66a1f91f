//! What may be believed of one queue: looks in, a reading out. Pure; time is an argument.
//!
//! Two sources see a queue. A *passive declare* is fresh but blind for what is in flight, and for
//! a queue without a leader it answers "0 ready, 0 consumers" without an error. A *row* of the
//! management list shows what is in flight, but late, and after a restart or a change of leader
//! it shows 0 for seconds. Neither proves that a queue is empty by itself, so:
//!
//! * anything above zero is believed at once, and a missing field is never zero;
//! * zero with consumers is believed: their count comes from the leader;
//! * zero without consumers is believed after a second look [`SECOND_LOOK`] later, and where
//!   there is a list, only if a row of that time agrees: running, all members online, empty;
//! * while the pool has workers, it takes a *current* row; without a list it is not believed.

mod row;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::errors;
use crate::scaling::observation::{Counted, CountedByWorker, ErrorClass, QueueCounts, QueueReading, Unknown};
use crate::scaling::time::Timestamp;

pub use row::{Row, is_running};

/// Seconds between two looks that confirm a zero, and how old what a row says of a quorum queue
/// may be when it is fetched: RabbitMQ's `quorum_tick_interval`, 5 s by default. After a leader
/// was killed a 4.0.5 list said 0 for 5.4 s.
pub const SECOND_LOOK: f64 = 5.0;

/// Seconds after which what a list said is no longer shown: two lists and a late answer.
pub const LISTED_EXPIRES: f64 = 20.0;

/// Seconds that the last good look outlives a broken connection before the reading is unknown:
/// long enough for one reconnect, with its age visible all the while.
const OUTAGE_GRACE: f64 = 10.0;

/// Seconds for which one look at the broker's alarms holds.
const ALARM_EXPIRES: f64 = 60.0;

#[derive(Clone, Copy, Debug)]
struct Declared {
    ready: u64,
    consumers: u64,
    at: Timestamp,
}

#[derive(Clone, Debug)]
struct Listed {
    /// `None`: the list was read and the queue was not in it.
    row: Option<Row>,
    at: Timestamp,
}

/// See [`Belief::outline_of_change`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outline {
    reading: Option<QueueReading>,
    worker_changes: Option<u64>,
    declare_failure: Option<&'static str>,
    list_failure: Option<&'static str>,
}

/// Everything seen of one queue that still matters.
#[derive(Clone, Debug)]
pub struct Belief {
    /// There is a list to wait for.
    listable: bool,
    declared: Option<Declared>,
    /// Since the last answered declare.
    declare_failure: Option<Unknown>,
    /// First of an unbroken run of "0 ready, 0 consumers".
    zero_since: Option<Timestamp>,
    /// The last reading that rested on a declare, kept over a short outage.
    last_known: Option<(u64, Timestamp)>,
    listed: Option<Listed>,
    list_failure: Option<Unknown>,
    /// First of an unbroken run of rows without a message.
    empty_rows_since: Option<Timestamp>,
    unacked: Option<Counted>,
    by_worker: Option<Arc<CountedByWorker>>,
    /// How often the counts by worker changed.
    worker_changes: u64,
    alarm: Option<Timestamp>,
    single_active_consumer: bool,
}

impl Belief {
    pub fn new(listable: bool) -> Self {
        Self {
            listable,
            declared: None,
            declare_failure: None,
            zero_since: None,
            last_known: None,
            listed: None,
            list_failure: None,
            empty_rows_since: None,
            unacked: None,
            by_worker: None,
            worker_changes: 0,
            alarm: None,
            single_active_consumer: false,
        }
    }

    /// A passive declare, sent at `at`, was answered.
    pub fn declared(&mut self, ready: u64, consumers: u64, at: Timestamp) {
        self.declare_failure = None;
        self.zero_since = (ready == 0 && consumers == 0).then(|| self.zero_since.unwrap_or(at));
        self.declared = Some(Declared { ready, consumers, at });
    }

    /// A passive declare failed, or there is no connection to send it on.
    pub fn declare_failed(&mut self, why: Unknown, workers: bool, now: Timestamp) {
        if self.declare_failure.is_none() {
            self.last_known = match (self.declared, self.by_declare(workers, now)) {
                (Some(declared), Some(Ok(ready))) => Some((ready, declared.at)),
                _ => None,
            };
        }
        self.declared = None;
        self.zero_since = None;
        self.declare_failure = Some(why);
    }

    /// The list, asked for at `asked`, was read; `row` is this queue's, if it was there.
    pub fn listed(&mut self, row: Option<Row>, asked: Timestamp) {
        self.list_failure = None;
        let at = row.as_ref().map_or(asked, |row| content_time(row, asked));
        let empty = row.as_ref().is_some_and(|row| row.is_healthy() && row.is_empty());
        self.empty_rows_since = empty.then(|| self.empty_rows_since.unwrap_or(asked));
        if let Some(row) = row.as_ref().filter(|row| row.is_running())
            && let Some(count) = row.unacked
            && (!empty || self.emptiness_is_proved(row, asked))
        {
            self.unacked = Some(Counted { count, at });
        }
        self.listed = Some(Listed { row, at: asked });
    }

    pub fn list_failed(&mut self, why: Unknown) {
        self.list_failure = Some(why);
        self.empty_rows_since = None;
    }

    pub fn counted_by_worker(&mut self, counted: Arc<CountedByWorker>) {
        if self.by_worker.as_ref().is_none_or(|before| before.counts != counted.counts) {
            self.worker_changes += 1;
        }
        self.by_worker = Some(counted);
    }

    /// The broker's memory or disk alarm at `at`, or none.
    pub fn alarm(&mut self, alarm: bool, at: Timestamp) {
        self.alarm = alarm.then_some(at);
    }

    pub fn single_active_consumer(&mut self, only_one: bool) {
        self.single_active_consumer = only_one;
    }

    /// The last passive declare was answered.
    pub fn is_answering(&self) -> bool {
        self.declared.is_some()
    }

    /// A zero stands in doubt that a list could lift.
    pub fn wants_list(&self) -> bool {
        self.listable && (self.declare_failure.is_some() || (self.zero_since.is_some() && !self.zero_is_affirmed()))
    }

    /// The broker knows no such queue.
    pub fn is_missing(&self) -> bool {
        self.declare_failure.as_ref().is_some_and(|why| why.reason == QUEUE_MISSING)
    }

    pub fn declare_failure(&self) -> Option<&Unknown> {
        self.declare_failure.as_ref()
    }

    pub fn list_failure(&self) -> Option<&Unknown> {
        self.list_failure.as_ref()
    }

    /// The list has the queue but not its counts.
    pub fn lacks_totals(&self) -> bool {
        self.row().is_some_and(|row| row.is_running() && row.unacked.is_none())
    }

    pub fn is_classic(&self) -> bool {
        self.row().is_some_and(Row::is_classic)
    }

    /// The reading as of `now`, without dead letters, which lie in another queue; `workers`: some pool
    /// on the queue has some. `None` until a first look ended.
    pub fn reading(&self, workers: bool, now: Timestamp) -> Option<QueueReading> {
        let mut reading = self.outline(workers, now)?;
        if let QueueReading::Known(counts) = &mut reading {
            counts.unacked_by_worker = self.by_worker(now).map(|counted| CountedByWorker::clone(counted));
        }
        Some(reading)
    }

    /// What is compared to see whether anything changed: times are left out, and counts by worker,
    /// of which there can be thousands, are a number.
    pub fn outline_of_change(&self, workers: bool, now: Timestamp) -> Outline {
        let mut reading = self.outline(workers, now);
        if let Some(QueueReading::Known(counts)) = &mut reading {
            counts.at = Timestamp::default();
            counts.unacked = counts.unacked.map(|counted| Counted { at: Timestamp::default(), ..counted });
        }
        Outline {
            reading,
            worker_changes: self.by_worker(now).map(|_| self.worker_changes),
            declare_failure: self.declare_failure.as_ref().map(|why| why.reason),
            list_failure: self.list_failure.as_ref().map(|why| why.reason),
        }
    }

    fn outline(&self, workers: bool, now: Timestamp) -> Option<QueueReading> {
        if self.row().is_some_and(Row::is_stream) {
            return Some(QueueReading::Unknown(errors::stream()));
        }
        Some(match self.ready(workers, now)? {
            Ok((0, _)) if workers && self.alarm.is_some_and(|at| now.since(at) <= ALARM_EXPIRES) => {
                QueueReading::Unknown(errors::publishers_blocked())
            }
            Ok((ready, at)) => QueueReading::Known(QueueCounts {
                ready,
                at,
                unacked: self.unacked.filter(|counted| now.since(counted.at) <= LISTED_EXPIRES),
                single_active_consumer: self.single_active_consumer,
                ..QueueCounts::default()
            }),
            Err(why) => QueueReading::Unknown(why),
        })
    }

    fn by_worker(&self, now: Timestamp) -> Option<&Arc<CountedByWorker>> {
        self.by_worker.as_ref().filter(|counted| now.since(counted.at) <= LISTED_EXPIRES)
    }

    fn ready(&self, workers: bool, now: Timestamp) -> Option<Result<(u64, Timestamp), Unknown>> {
        if let (Some(declared), Some(verdict)) = (self.declared, self.by_declare(workers, now)) {
            return Some(verdict.map(|ready| (ready, declared.at)));
        }
        let failure = self.declare_failure.clone()?;
        if failure.reason == QUEUE_MISSING {
            return Some(Err(failure));
        }
        if let Some(by_list) = self.by_list(now) {
            return Some(by_list);
        }
        let kept = self.last_known.filter(|_| failure.class == ErrorClass::Transient);
        match kept.filter(|(_, at)| now.since(*at) <= OUTAGE_GRACE) {
            Some(known) => Some(Ok(known)),
            None => Some(Err(failure)),
        }
    }

    fn by_declare(&self, workers: bool, now: Timestamp) -> Option<Result<u64, Unknown>> {
        let declared = self.declared?;
        if declared.ready > 0 || declared.consumers > 0 || self.is_classic() {
            return Some(Ok(declared.ready));
        }
        let since = self.zero_since.unwrap_or(declared.at);
        if declared.at.since(since) <= SECOND_LOOK {
            return Some(Err(errors::zero_unconfirmed()));
        }
        let list_may_come = self.listable && self.list_failure.is_none();
        Some(match self.zero_by_list(since, workers, now) {
            Err(doubt) if list_may_come => Err(doubt),
            Err(_) if workers => Err(errors::zero_without_consumers(self.listable)),
            _ => Ok(0),
        })
    }

    /// Whether the list agrees that the queue is empty, in a run of zeros that began at `since`.
    fn zero_by_list(&self, since: Timestamp, workers: bool, now: Timestamp) -> Result<(), Unknown> {
        let listed = self.listed.as_ref().filter(|listed| listed.at.since(since) > SECOND_LOOK);
        let Some(listed) = listed.filter(|listed| !workers || now.since(listed.at) <= LISTED_EXPIRES) else {
            return Err(errors::zero_unconfirmed());
        };
        match &listed.row {
            None => Err(errors::leaderless("the queue is missing from the management list")),
            Some(row) if !row.is_healthy() => Err(row.complaint()),
            Some(Row { ready: Some(0), .. }) => Ok(()),
            Some(Row { ready: Some(_), .. }) => Err(errors::sources_disagree()),
            Some(Row { ready: None, .. }) => Err(errors::zero_unconfirmed()),
        }
    }

    fn zero_is_affirmed(&self) -> bool {
        self.zero_since.is_some_and(|since| self.zero_by_list(since, false, since).is_ok())
    }

    /// Waiting tasks by the list alone; `None` where it is too old.
    fn by_list(&self, now: Timestamp) -> Option<Result<(u64, Timestamp), Unknown>> {
        let listed = self.listed.as_ref().filter(|listed| now.since(listed.at) <= LISTED_EXPIRES)?;
        let Some(row) = &listed.row else {
            return Some(Err(errors::leaderless("the queue is missing from the management list")));
        };
        let ready = row.ready?;
        Some(if !row.is_running() || (ready == 0 && !row.is_healthy()) {
            Err(row.complaint())
        } else if row.is_empty() && !self.emptiness_is_proved(row, listed.at) {
            Err(errors::zero_unconfirmed())
        } else {
            Ok((ready, content_time(row, listed.at)))
        })
    }

    /// A list without a single message of this queue is believed at once for a classic queue, and
    /// for others after a second one.
    fn emptiness_is_proved(&self, row: &Row, asked: Timestamp) -> bool {
        row.is_classic() || self.empty_rows_since.is_some_and(|since| asked.since(since) > SECOND_LOOK)
    }

    fn row(&self) -> Option<&Row> {
        self.listed.as_ref()?.row.as_ref()
    }
}

/// The one failure that a list cannot make up for: the broker was asked and knows no such queue.
const QUEUE_MISSING: &str = "QueueMissing";

/// When what a row says was true at the latest: counts of quorum queues are reported in ticks.
fn content_time(row: &Row, asked: Timestamp) -> Timestamp {
    if row.is_classic() { asked } else { asked.plus(-SECOND_LOOK) }
}
