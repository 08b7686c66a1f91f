//! What is remembered between decisions.

use std::cell::OnceCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::arrivals::Arrivals;
use super::decision::{Backlog, Estimates, Trust};
use super::estimate::duration::TaskDuration;
use super::estimate::groups::Groups;
use super::estimate::memory::TaskMemory;
use super::estimate::rate::Rate;
use super::estimate::startup::Startup;
use super::in_flight::InFlight;
use super::load::FRESH;
use super::observation::{QueueCounts, Worker};
use super::time::Timestamp;
use super::window::Window;

/// T before two readings were seen, seconds: about what the operator's poll takes.
const FIRST_INTERVAL: f64 = 2.0;
/// T is the longest of this many last intervals.
const INTERVALS: usize = 4;
/// Bounds of T, seconds: a decision also follows events, and an outage is not an interval.
const SHORTEST_INTERVAL: f64 = 0.5;
pub(super) const LONGEST_INTERVAL: f64 = 15.0;

/// A pool's memory. Opaque: only [`super::decide`] reads it.
#[derive(Clone, Debug)]
pub struct State {
    pub(super) now: Timestamp,
    /// When listening began: silence before it means nothing.
    pub(super) started: Timestamp,
    /// Since when the queue was known without a break.
    pub(super) known_since: Timestamp,
    /// When the broker last told what is in flight, of the whole queue and by worker.
    pub(super) told: Option<Timestamp>,
    pub(super) told_by_worker: Option<Timestamp>,
    pub(super) restored: Option<Restored>,
    /// The last reading that could be used.
    pub(super) reading: Option<Reading>,
    /// When ready last rose from 0.
    pub(super) since: Option<Timestamp>,
    pub(super) arrivals: Arrivals,
    pub(super) in_flight: InFlight,
    pub(super) flow: Flow,
    pub(super) rate: Rate,
    pub(super) duration: TaskDuration,
    pub(super) startup: Startup,
    pub(super) memory: TaskMemory,
    pub(super) window: Window,
    pub(super) intervals: VecDeque<f64>,
    /// By name, in the order in which they were last seen; shared between states until something is learned.
    pub(super) workers: Arc<Vec<(Arc<str>, Remembered)>>,
    pub(super) prefetch: Option<u32>,
    /// The cluster last refused a pod then.
    pub(super) refused: Option<Timestamp>,
    /// `spec.replicas` when it was last seen, and when it was last seen to change.
    size: Option<u32>,
    pub(super) resized: Option<Timestamp>,
    pub(super) learned: Learned,
    pub(super) groups: Groups,
    /// A worker that may have been busy was last made to go then.
    pub(super) stepped: Option<Timestamp>,
}

/// When each estimate last learned something.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Learned {
    pub duration: Option<Timestamp>,
    pub startup: Option<Timestamp>,
    pub memory: Option<Timestamp>,
}

/// The counts of the last usable reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reading {
    pub at: Timestamp,
    pub ready: u64,
    /// N as it was then.
    pub in_flight: Option<u64>,
}

/// Work that went through, for arrivals and S.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Flow {
    /// Completions that workers reported, ever.
    pub finished: f64,
    pub passed: Passed,
    /// The part of it already used for S, and the same of busy seconds.
    pub finished_used: f64,
    pub busy: f64,
    pub busy_used: f64,
    /// Workers report completions, and busy seconds, at all.
    pub reports_finished: bool,
    pub reports_busy: bool,
    /// The most work seen, ready + in flight + finished, and when.
    pub high: Option<(f64, Timestamp)>,
}

/// Tasks that came and went, as far as readings tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    pub arrived: u64,
    pub completed: u64,
}

/// What is remembered of one worker.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Remembered {
    pub report_at: Option<Timestamp>,
    pub finished: Option<u64>,
    pub busy: Option<f64>,
    /// Its start-up time has been learned, or is not to be.
    pub started: bool,
    /// Restarts when its last OOM was counted.
    pub oom: Option<u32>,
    pub order: Option<(Order, Timestamp)>,
    /// Since when it should go.
    pub leaving: Option<Timestamp>,
}

/// What a worker was asked last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Drain,
    Resume,
}

/// What an operator finds in a pool's status when it starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Restored {
    pub replicas: u32,
    pub backlog: Backlog,
    pub estimates: Estimates,
}

impl State {
    /// A pool that was never seen before.
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            started: now,
            known_since: now,
            told: None,
            told_by_worker: None,
            restored: None,
            reading: None,
            since: None,
            arrivals: Arrivals::default(),
            in_flight: InFlight::default(),
            flow: Flow::default(),
            rate: Rate::default(),
            duration: TaskDuration::default(),
            startup: Startup::default(),
            memory: TaskMemory::default(),
            window: Window::default(),
            intervals: VecDeque::new(),
            workers: Arc::default(),
            prefetch: None,
            refused: None,
            size: None,
            resized: None,
            learned: Learned::default(),
            groups: Groups::default(),
            stepped: None,
        }
    }

    /// A pool that was scaled before: **a restart scales nothing**. Estimates go on from status,
    /// queued tasks are spread over the recent past, and the current size counts as a
    /// recommendation just made.
    pub fn restored(restored: Restored, now: Timestamp) -> Self {
        let usable = |value: f64| value.is_finite() && value > 0.0;
        let estimates = restored.estimates;
        let mut state = Self::new(now);
        if usable(estimates.arrivals_per_second) {
            state.rate = Rate::restored(estimates.arrivals_per_second, now);
        }
        if usable(estimates.task_duration) {
            state.duration = TaskDuration::restored(estimates.task_duration);
        }
        if usable(estimates.startup) {
            state.startup = Startup::restored(estimates.startup);
        }
        if estimates.task_memory > 0 {
            state.memory = TaskMemory::restored(estimates.task_memory);
        }
        state.in_flight = InFlight::restored(restored.backlog.in_flight, now);
        state.since = restored.backlog.since;
        state.restored = Some(restored);
        state
    }

    /// Tasks that came and went since the first reading.
    pub fn passed(&self) -> Passed {
        self.flow.passed
    }

    /// Notes a change of `spec.replicas`; finding some at the start is none.
    pub(super) fn note_size(&mut self, replicas: Option<u32>, now: Timestamp) {
        if self.size.is_some() && replicas.is_some() && self.size != replicas {
            self.resized = Some(now);
        }
        self.size = replicas.or(self.size);
    }

    /// Notes which sources of in flight spoke.
    pub(super) fn listen(&mut self, counts: Option<&QueueCounts>, trust: Trust, now: Timestamp) {
        if trust != Trust::Known {
            self.known_since = now;
        }
        let told = counts.and_then(|counts| counts.unacked.map(|unacked| unacked.at));
        let by_worker = counts.and_then(|counts| counts.unacked_by_worker.as_ref().map(|map| map.at));
        self.told = told.or(self.told);
        self.told_by_worker = by_worker.or(self.told_by_worker);
    }

    /// Seconds for which the queue was read while the source that last spoke at `told` was silent. In an
    /// outage both are: that is no time of silence.
    pub(super) fn silence(&self, told: Option<Timestamp>) -> f64 {
        let since = told.filter(|told| *told > self.known_since).unwrap_or(self.known_since);
        self.reading.map_or(0.0, |reading| reading.at.since(since))
    }

    /// T: time to the next decision, the longest of the last few intervals between readings.
    pub(super) fn interval(&self) -> f64 {
        let longest = self.intervals.iter().copied().fold(0.0, f64::max);
        if longest > 0.0 { longest.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL) } else { FIRST_INTERVAL }
    }

    /// Seconds for which a count of the broker's can be used: until it is read again, thrice over. A queue
    /// whose looks are billed is looked at rarely.
    pub(super) fn counts_fresh(&self) -> f64 {
        FRESH.max(3.0 * self.interval())
    }

    pub(super) fn record_interval(&mut self, seconds: f64) {
        self.intervals.push_back(seconds);
        if self.intervals.len() > INTERVALS {
            self.intervals.pop_front();
        }
    }

    /// What is remembered of each of `workers`, in their order: looked up once, used by index. Mostly they are the
    /// same as last time, and no name has to be searched for.
    pub(super) fn recall(&self, workers: &[Worker]) -> Vec<Remembered> {
        let by_name = OnceCell::new();
        let search = |wanted: &str| {
            let named = || self.workers.iter().map(|(name, remembered)| (&**name, *remembered));
            let by_name: &BTreeMap<&str, Remembered> = by_name.get_or_init(|| named().collect());
            by_name.get(wanted).copied().unwrap_or_default()
        };
        let recall = |(index, worker): (usize, &Worker)| match self.workers.get(index) {
            Some((name, remembered)) if **name == worker.name => *remembered,
            _ => search(&worker.name),
        };
        workers.iter().enumerate().map(recall).collect()
    }

    /// Keeps what was learned of `workers` and forgets all others.
    pub(super) fn keep(&mut self, workers: &[Worker], known: &[Remembered]) {
        let same = self.workers.len() == workers.len()
            && self.workers.iter().zip(workers).all(|((name, _), worker)| **name == worker.name);
        if !same {
            let names = workers.iter().map(|worker| Arc::from(worker.name.as_str()));
            self.workers = Arc::new(names.zip(known.iter().copied()).collect());
        } else if self.workers.iter().zip(known).any(|((_, before), after)| before != after) {
            let before = Arc::make_mut(&mut self.workers).iter_mut();
            before.zip(known).for_each(|((_, before), after)| *before = *after);
        }
    }
}
