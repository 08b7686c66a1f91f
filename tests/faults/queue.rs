//! The broker: queues, and readers of them that see what a real reader would.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use awp::brokers::{Brokers, DeadLetterTarget, Gaps, Interest, QueueFacts, Source, Subscription};
use awp::scaling::observation::{Counted, CountedByWorker, ErrorClass, QueueCounts, QueueReading, Unknown};
use awp::scaling::time::Timestamp;
use tokio::sync::Notify;

use crate::happening::Happening;
use crate::world::{EPOCH, Shared, World, lock};

#[derive(Clone, Copy, Debug)]
pub struct Task {
    pub id: u64,
    /// Milliseconds.
    pub lasts: u64,
}

/// What is wrong with reading a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    #[default]
    None,
    Unreachable,
    /// Answers come, and cannot be believed.
    Doubtful,
    /// A person must act, it seems.
    Misconfigured,
    /// The reader hangs: its last reading only grows older.
    Frozen,
    /// The management API is gone: nothing tells what is in flight.
    NoCounts,
}

#[derive(Debug, Default)]
pub struct Queue {
    pub ready: VecDeque<Task>,
    pub trouble: Trouble,
    /// Workers answer no status request.
    pub mute: bool,
    /// Tasks in flight by pod, as the broker last counted them.
    counted: BTreeMap<String, u64>,
    /// When a task was last done.
    pub progress: u64,
}

/// A subscription of the controller's.
#[derive(Debug)]
pub struct Reader {
    pub pool: String,
    wake: Arc<Notify>,
    interest: Interest,
    latest: Option<QueueReading>,
    /// The queue was read at least once, and with it its settings.
    read: bool,
    /// The last reading that was handed out, and when.
    handed: Option<(u64, QueueReading)>,
    /// When an empty queue was last read of those handed out.
    empty: Option<u64>,
}

impl Reader {
    pub fn last(&self) -> Option<(u64, &QueueReading, Option<u64>)> {
        self.handed.as_ref().map(|(at, reading)| (*at, reading, self.empty))
    }
}

/// Seconds between two counts of what is in flight, and so the age of one when it is read.
const COUNT_EVERY: u64 = 5;

fn timestamp(at: u64) -> Timestamp {
    Timestamp(EPOCH as f64 + at as f64 / 1000.0)
}

fn unknown(class: ErrorClass, reason: &'static str) -> QueueReading {
    QueueReading::Unknown(Unknown { class, reason, message: "the schedule wants it".into() })
}

impl World {
    pub fn publish(&mut self, pool: &str, tasks: u64, from: u64, to: u64) {
        self.note(|| format!("PUBLISH {tasks} tasks of {from} to {to} ms for {pool}"));
        for _ in 0..tasks {
            let task = Task { id: self.fresh(), lasts: self.dice.between(from, to) };
            if let Some(queue) = self.queues.get_mut(pool) {
                queue.ready.push_back(task);
            }
        }
        self.judge_publish(pool);
        self.dispatch(pool);
    }

    /// The broker counts tasks in flight.
    pub fn emit(&mut self, pool: &str) {
        let pods = self.pods.values().filter(|pod| pod.pool == pool);
        let counted = pods.filter(|pod| pod.connected()).map(|pod| (pod.name.clone(), pod.tasks.len() as u64));
        let counted = counted.collect();
        if let Some(queue) = self.queues.get_mut(pool) {
            queue.counted = counted;
        }
        self.after(COUNT_EVERY * 1000, Happening::Emit(pool.to_owned()));
    }

    /// A reader's look at its queue.
    pub fn look(&mut self, id: u64) {
        let now = self.now();
        let Some(reader) = self.readers.get(&id) else { return };
        let pause = if reader.interest.relaxed { 4000 } else { 1000 };
        let (pool, interest) = (reader.pool.clone(), reader.interest);
        let reading = self.reading(&pool, interest, now);
        let management = self.plans.get(&pool).is_some_and(|plan| plan.management);
        let frozen = self.queues.get(&pool).is_some_and(|queue| queue.trouble == Trouble::Frozen);
        if let Some(reader) = self.readers.get_mut(&id).filter(|_| !frozen) {
            if says(reader.latest.as_ref()) != says(Some(&reading)) {
                reader.wake.notify_one();
            }
            reader.read |= management && matches!(reading, QueueReading::Known(_));
            reader.latest = Some(reading);
        }
        self.soon(pause * 9 / 10, pause * 11 / 10, Happening::Look(id));
    }

    fn reading(&self, pool: &str, interest: Interest, now: u64) -> QueueReading {
        let Some(queue) = self.queues.get(pool) else {
            return unknown(ErrorClass::Misconfigured, "QueueNotFound");
        };
        match queue.trouble {
            Trouble::Unreachable => return unknown(ErrorClass::Transient, "BrokerUnreachable"),
            Trouble::Doubtful => return unknown(ErrorClass::Doubtful, "EmptyUnconfirmed"),
            Trouble::Misconfigured => return unknown(ErrorClass::Misconfigured, "QueueNotFound"),
            Trouble::None | Trouble::Frozen | Trouble::NoCounts => (),
        }
        let management = self.plans.get(pool).is_some_and(|plan| plan.management);
        let counts = management && queue.trouble != Trouble::NoCounts;
        // Dated to the safe side, as the real reader does.
        let at = timestamp(now.saturating_sub(COUNT_EVERY * 1000));
        let all = Counted { count: queue.counted.values().sum(), at };
        let by_worker = CountedByWorker { counts: queue.counted.clone(), at };
        QueueReading::Known(QueueCounts {
            ready: queue.ready.len() as u64,
            at: timestamp(now),
            unacked: Some(all).filter(|_| counts && interest.in_flight),
            unacked_by_worker: Some(by_worker).filter(|_| counts && interest.by_worker),
            ..QueueCounts::default()
        })
    }
}

/// Ready, unacked, and unacked by worker; or the reason.
type Said = Result<(u64, Option<u64>, Option<BTreeMap<String, u64>>), &'static str>;

/// What a reading says, without its age.
fn says(reading: Option<&QueueReading>) -> Option<Said> {
    Some(match reading? {
        QueueReading::Unknown(unknown) => Err(unknown.reason),
        QueueReading::Known(counts) => Ok((
            counts.ready,
            counts.unacked.map(|unacked| unacked.count),
            counts.unacked_by_worker.as_ref().map(|map| map.counts.clone()),
        )),
    })
}

/// The readers of all queues, as the controller sees them.
pub struct SimulatedBrokers(pub Shared);

struct Handle {
    world: Shared,
    id: u64,
}

impl Brokers for SimulatedBrokers {
    fn subscribe(&self, source: Source, wake: Arc<Notify>) -> Box<dyn Subscription> {
        let Source::RabbitMq(source) = source else { panic!("another broker") };
        let mut world = lock(&self.0);
        let id = world.fresh();
        let pool = source.queue.trim_start_matches("tasks-").to_owned();
        let reader =
            Reader { pool, wake, interest: Interest::default(), latest: None, read: false, handed: None, empty: None };
        world.readers.insert(id, reader);
        world.soon(20, 400, Happening::Look(id));
        drop(world);
        Box::new(Handle { world: self.0.clone(), id })
    }
}

impl Subscription for Handle {
    fn latest(&self) -> Option<QueueReading> {
        let mut world = lock(&self.world);
        let now = world.now();
        let reader = world.readers.get_mut(&self.id)?;
        let latest = reader.latest.clone()?;
        if matches!(&latest, QueueReading::Known(counts) if counts.ready == 0) {
            reader.empty = Some(now);
        }
        reader.handed = Some((now, latest.clone()));
        Some(latest)
    }

    fn facts(&self) -> Option<QueueFacts> {
        let world = lock(&self.world);
        let reader = world.readers.get(&self.id)?;
        reader.read.then(|| QueueFacts {
            dead_letter: Some(DeadLetterTarget::Exchange {
                exchange: "dlx".into(),
                routing_key: "failed".into(),
                queue: None,
            }),
            queue_type: Some("quorum".into()),
            cluster: None,
        })
    }

    fn gaps(&self) -> Gaps {
        Gaps::default()
    }

    fn set_interest(&self, interest: Interest) {
        if let Some(reader) = lock(&self.world).readers.get_mut(&self.id) {
            reader.interest = interest;
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        lock(&self.world).readers.remove(&self.id);
    }
}
