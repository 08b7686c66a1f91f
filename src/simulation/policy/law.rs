//! The law of the cluster: `scaling::decide`, the very same, in the loop.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Decided, Order, Policy};
use crate::scaling::decision::{Backlog, Decision, Estimates};
use crate::scaling::explanation::{Inputs, explain};
use crate::scaling::observation::{
    Counted, CountedByWorker, Observation, QueueCounts, QueueReading, Report, Worker, WorkerPhase, WorkerState,
};
use crate::scaling::prefetch::prefetch;
use crate::scaling::replica_set_order::{self, VICTIM_COST};
use crate::scaling::settings::{DrainSupport, Prefetch, Settings};
use crate::scaling::time::Timestamp;
use crate::scaling::{Restored, State, decide};
use crate::simulation::cluster::{Cluster, Mode, Pod};
use crate::simulation::trace::{Millis, seconds};

/// Milliseconds between a broker's counts of unacknowledged tasks.
const COUNTED_EVERY: Millis = 5_000;

/// What the operator sees of in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Reports and unacked of this very moment.
    Exact,
    /// No reports; the broker's counts, by worker too, taken every 5 s.
    Lagging,
    /// No reports; the broker's count of the whole queue, of this very moment: SQS.
    Total,
}

/// The law's own choices beside the pool's settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Manner {
    pub sight: Sight,
    /// Draining workers resume for waiting tasks though no growth is wanted. Off only to measure what it is worth.
    pub eager_resume: bool,
    /// The operator forgets all but the pool's status every so many decisions, once λ is known.
    pub restart_every: Option<u32>,
}

impl Default for Manner {
    fn default() -> Self {
        Self { sight: Sight::Exact, eager_resume: true, restart_every: None }
    }
}

pub struct Law {
    settings: Settings,
    manner: Manner,
    slots: u32,
    state: State,
    replicas: u32,
    counted: Option<(Millis, BTreeMap<String, u64>)>,
    last: Option<Decision>,
    decisions: u32,
    restarts: Restarts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restarts {
    pub count: u32,
    /// Restarts after which the first decision wrote another number, though the one before had not.
    pub moved: u32,
}

/// λ looks back five minutes.
const SETTLED: Millis = 400_000;

impl Law {
    /// A pool that was never seen before, or (with `startup`, seconds) one whose start-up time is known.
    pub fn new(settings: Settings, manner: Manner, startup: Option<f64>) -> Self {
        let q = match settings.prefetch {
            Prefetch::Auto { task_memory, .. } => task_memory,
            Prefetch::Fixed(_) => 0,
        };
        let start = Timestamp(0.0);
        let state = startup.map_or_else(
            || State::new(start),
            |startup| {
                let task_duration = settings.task_duration;
                let estimates = Estimates { arrivals_per_second: 0.0, task_duration, startup, task_memory: 0 };
                State::restored(Restored { replicas: 0, backlog: Backlog::default(), estimates }, start)
            },
        );
        Self {
            slots: prefetch(&settings, q, None).tasks,
            settings,
            manner,
            state,
            replicas: 0,
            counted: None,
            last: None,
            decisions: 0,
            restarts: Restarts::default(),
        }
    }

    pub fn restarts(&self) -> Restarts {
        self.restarts
    }

    fn restarted(&mut self, observation: &Observation, now: Timestamp, at: Millis) {
        let due = self.manner.restart_every.is_some_and(|every| self.decisions % every == every - 1);
        let (true, Some(last)) = (due && at > SETTLED, &self.last) else { return };
        self.restarts.count += 1;
        let restored = Restored { replicas: last.applied, backlog: last.backlog, estimates: last.estimates };
        let restarted = State::restored(restored, now);
        let (_, as_before) = decide(&self.state, &self.settings, observation, now);
        let (_, anew) = decide(&restarted, &self.settings, observation, now);
        let moved = as_before.applied == self.replicas && anew.applied != self.replicas;
        self.restarts.moved += u32::from(moved);
        self.state = restarted;
    }

    /// The broker counts what is unacknowledged, now and then.
    fn count(&mut self, cluster: &Cluster<'_>) {
        let now = cluster.now();
        if self.counted.as_ref().is_none_or(|(at, _)| now >= at + COUNTED_EVERY) {
            let counts = cluster.pods().iter().map(|pod| (pod.id.to_string(), u64::from(pod.in_flight())));
            self.counted = Some((now, counts.collect()));
        }
    }

    fn observe(&self, cluster: &Cluster<'_>) -> Observation {
        Observation {
            queue: self.queue(cluster),
            workers: cluster.pods().iter().map(|pod| self.worker(pod, cluster.now())).collect(),
            replicas: Some(self.replicas),
            growth_refused: None,
        }
    }

    fn queue(&self, cluster: &Cluster<'_>) -> QueueReading {
        let at = timestamp(cluster.now());
        let ready = cluster.queue().len() as u64;
        let counts = QueueCounts { ready, at, ..QueueCounts::default() };
        let unacked = |count: u64, at: Timestamp| Some(Counted { count, at });
        QueueReading::Known(match (self.manner.sight, &self.counted) {
            (Sight::Lagging, Some((counted, by_worker))) => {
                let at = timestamp(*counted);
                let unacked_by_worker = Some(CountedByWorker { counts: by_worker.clone(), at });
                QueueCounts { unacked: unacked(by_worker.values().sum(), at), unacked_by_worker, ..counts }
            }
            _ => QueueCounts { unacked: unacked(u64::from(cluster.in_flight()), at), ..counts },
        })
    }

    fn worker(&self, pod: &Pod, now: Millis) -> Worker {
        let reports = self.manner.sight == Sight::Exact;
        Worker {
            name: pod.id.to_string(),
            created: timestamp(pod.created),
            phase: match (pod.mode, pod.ready) {
                (Mode::Terminating, _) => WorkerPhase::Terminating,
                (_, Some(_)) => WorkerPhase::Ready,
                (_, None) => WorkerPhase::Pending,
            },
            first_ready: pod.ready.map(timestamp),
            slots: self.slots,
            memory_limit: self.settings.worker_memory.unwrap_or(0),
            revision: String::new(),
            node: None,
            restarts: 0,
            deletion_cost: 0,
            report: pod.ready.filter(|_| reports).map(|_| report(pod, now)),
            oom_killed: false,
        }
    }

    /// No growth is wanted, and workers would resume all the same.
    fn only_eager(&self, observation: &Observation, now: Timestamp) -> bool {
        let (state, settings) = (self.state.clone(), self.settings.clone());
        let inputs = Inputs { state, settings, observation: Arc::new(observation.clone()), at: now };
        explain(&inputs).law.is_some_and(|law| law.demand.short <= 0.0)
    }

    /// What the ReplicaSet makes of the new number: it creates what is missing, and deletes what is too much by
    /// its own order.
    fn replica_set(&self, decision: &Decision, mut workers: Vec<Worker>, now: Timestamp) -> Vec<Order> {
        let present = workers.iter().filter(|worker| worker.phase != WorkerPhase::Terminating).count() as u32;
        if present <= decision.applied {
            return vec![Order::Create(decision.applied - present)];
        }
        for worker in &mut workers {
            worker.deletion_cost = if decision.victims.contains(&worker.name) { VICTIM_COST } else { 0 };
        }
        let surplus = (present - decision.applied) as usize;
        let order = replica_set_order::order(&workers, now);
        let stop = match self.settings.drain {
            DrainSupport::Sigterm => Order::Terminate,
            DrainSupport::IdleOnly | DrainSupport::Protocol => Order::Remove,
        };
        order.into_iter().take(surplus).filter_map(|index| id(&workers[index].name)).map(stop).collect()
    }
}

impl Policy for Law {
    fn decide(&mut self, cluster: &Cluster<'_>) -> Decided {
        let now = timestamp(cluster.now());
        self.count(cluster);
        let observation = self.observe(cluster);
        self.restarted(&observation, now, cluster.now());
        let (state, mut decision) = decide(&self.state, &self.settings, &observation, now);
        if !self.manner.eager_resume && !decision.resume.is_empty() && self.only_eager(&observation, now) {
            decision.resume.clear();
        }
        self.state = state;
        self.decisions += 1;
        self.replicas = decision.applied;
        let mut orders: Vec<Order> = decision.resume.iter().filter_map(|name| id(name)).map(Order::Resume).collect();
        orders.extend(decision.drain.iter().filter_map(|name| id(name)).map(Order::Drain));
        orders.extend(self.replica_set(&decision, observation.workers, now));
        let decided = Decided { wanted: decision.wanted, replicas: decision.applied, orders };
        self.last = Some(decision);
        decided
    }

    fn slots(&self) -> u32 {
        self.slots
    }

    fn woken_by_changes(&self) -> bool {
        true
    }
}

fn report(pod: &Pod, now: Millis) -> Report {
    let state = match pod.mode {
        Mode::Active => WorkerState::Running,
        Mode::Draining | Mode::Terminating if pod.running.is_empty() => WorkerState::Drained,
        Mode::Draining | Mode::Terminating => WorkerState::Draining,
    };
    Report {
        at: timestamp(now),
        state,
        in_flight: pod.in_flight(),
        slots: None,
        completed: Some(pod.completed),
        failed: None,
        busy_seconds: None,
        memory_bytes: None,
        base_memory_bytes: None,
        task_peak_memory_bytes: None,
    }
}

fn id(name: &str) -> Option<u32> {
    name.parse().ok()
}

fn timestamp(at: Millis) -> Timestamp {
    Timestamp(seconds(at))
}
