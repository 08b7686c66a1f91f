//! A queue, its workers and a ReplicaSet in virtual time, with `decide` in the loop.
//!
//! One FIFO queue; a free slot takes the head at once; among workers with a free slot the fullest
//! (then the oldest) takes it; start-up takes a fixed time; decisions come every T seconds, after
//! everything else of the same instant.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use super::fixtures;
use crate::scaling::decision::Decision;
use crate::scaling::observation::{
    Counted, CountedByWorker, Observation, QueueCounts, QueueReading, Report, Worker, WorkerPhase, WorkerState,
};
use crate::scaling::replica_set_order::{self, VICTIM_COST};
use crate::scaling::settings::Settings;
use crate::scaling::time::Timestamp;
use crate::scaling::{Restored, State, decide};

/// Milliseconds, so that events of one instant are equal.
type Instant = u64;

#[derive(Clone, Copy, Debug)]
pub struct Task {
    pub arrives: Instant,
    pub lasts: Instant,
}

#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub startup: Instant,
    pub interval: Instant,
    pub slots: u32,
    pub sight: Sight,
    /// The operator forgets all but the pool's status, every so many decisions, once the pool is steady.
    pub restart_every: Option<u32>,
}

/// What the operator sees of in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Reports and unacked of this very moment.
    Exact,
    /// No reports; the broker's counts, by worker too, taken every 5 s.
    Lagging,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub worker_seconds: f64,
    /// Seconds each task waited for its start.
    pub waits: Vec<f64>,
    pub interrupted: u32,
    pub most_workers: usize,
    pub left: usize,
    pub decisions: u32,
    pub restarts: u32,
    /// Restarts after which the first decision wrote another number, though the one before had not.
    pub moved_by_restart: u32,
    /// Replicas written, changes only: (second, replicas).
    pub writes: Vec<(f64, u32)>,
}

impl Outcome {
    pub fn worker_hours(&self) -> f64 {
        self.worker_seconds / 3600.0
    }

    pub fn longest_wait(&self) -> f64 {
        self.waits.iter().copied().fold(0.0, f64::max)
    }

    pub fn started_within(&self, seconds: f64) -> f64 {
        let in_time = self.waits.iter().filter(|wait| **wait <= seconds).count();
        in_time as f64 / self.waits.len().max(1) as f64
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Completed { worker: u32 },
    Booted { worker: u32 },
    Arrived { task: usize },
}

#[derive(Debug)]
struct Pod {
    created: Instant,
    ready: Option<Instant>,
    state: WorkerState,
    in_flight: u32,
    completed: u64,
}

pub struct World<'a> {
    setup: Setup,
    tasks: &'a [Task],
    now: Instant,
    events: BinaryHeap<Reverse<(Instant, Event)>>,
    queue: VecDeque<usize>,
    pods: BTreeMap<u32, Pod>,
    replicas: u32,
    next: u32,
    counted: Option<(Instant, BTreeMap<String, u64>)>,
    last: Option<Decision>,
    outcome: Outcome,
}

/// Runs `tasks` to the end and until no worker is left (or four hours after the last arrival).
pub fn run(tasks: &[Task], setup: Setup, settings: &Settings, state: State) -> Outcome {
    let mut world = World {
        setup,
        tasks,
        now: 0,
        events: tasks.iter().enumerate().map(|(task, t)| Reverse((t.arrives, Event::Arrived { task }))).collect(),
        queue: VecDeque::new(),
        pods: BTreeMap::new(),
        replicas: 0,
        next: 0,
        counted: None,
        last: None,
        outcome: Outcome::default(),
    };
    let last = tasks.iter().map(|task| task.arrives + task.lasts).max().unwrap_or(0) + 4 * 3_600_000;
    let mut state = state;
    let mut tick = 0;
    while tick < last {
        world.run_until(tick);
        state = world.restarted(state);
        state = world.settle(state, settings);
        if world.events.is_empty() && world.pods.is_empty() && world.replicas == 0 {
            break;
        }
        tick += setup.interval;
    }
    world.outcome.left = world.pods.len();
    world.outcome
}

impl World<'_> {
    fn run_until(&mut self, until: Instant) {
        while let Some(Reverse((at, _))) = self.events.peek()
            && *at <= until
        {
            let Some(Reverse((at, event))) = self.events.pop() else { return };
            self.now = at;
            match event {
                Event::Completed { worker } => self.complete(worker),
                Event::Booted { worker } => {
                    if let Some(pod) = self.pods.get_mut(&worker) {
                        pod.ready = Some(at);
                    }
                }
                Event::Arrived { task } => self.queue.push_back(task),
            }
            self.dispatch();
        }
        self.now = until;
    }

    fn complete(&mut self, worker: u32) {
        let Some(pod) = self.pods.get_mut(&worker) else { return };
        pod.in_flight -= 1;
        pod.completed += 1;
        if pod.state == WorkerState::Draining && pod.in_flight == 0 {
            pod.state = WorkerState::Drained;
        }
    }

    fn dispatch(&mut self) {
        while let Some(&task) = self.queue.front() {
            let slots = self.setup.slots;
            let free = |pod: &Pod| pod.ready.is_some() && pod.state == WorkerState::Running && pod.in_flight < slots;
            let fullest = self
                .pods
                .iter_mut()
                .filter(|(_, pod)| free(pod))
                .max_by_key(|(id, pod)| (pod.in_flight, Reverse(**id)));
            let Some((&worker, pod)) = fullest else { return };
            pod.in_flight += 1;
            self.queue.pop_front();
            self.outcome.waits.push((self.now - self.tasks[task].arrives) as f64 / 1000.0);
            self.events.push(Reverse((self.now + self.tasks[task].lasts, Event::Completed { worker })));
        }
    }

    fn restarted(&mut self, state: State) -> State {
        // Steady: λ looks back 300 s.
        let steady = self.now > 400_000;
        let due = steady && self.setup.restart_every.is_some_and(|every| self.outcome.decisions % every == every - 1);
        let (true, Some(last)) = (due, &self.last) else { return state };
        self.outcome.restarts += 1;
        let restored = Restored { replicas: last.applied, backlog: last.backlog, estimates: last.estimates };
        let now = Timestamp(self.now as f64 / 1000.0);
        let restarted = State::restored(restored, now);
        let settings = fixtures::settings();
        let (_, as_before) = decide(&state, &settings, &self.observe(), now);
        let (_, anew) = decide(&restarted, &settings, &self.observe(), now);
        let moved = as_before.applied == self.replicas && anew.applied != self.replicas;
        self.outcome.moved_by_restart += u32::from(moved);
        restarted
    }

    /// Decides, acts, and decides again while acting changed something in the same instant: a
    /// worker that holds nothing is drained as soon as it is asked.
    fn settle(&mut self, mut state: State, settings: &Settings) -> State {
        for _ in 0..4 {
            let now = Timestamp(self.now as f64 / 1000.0);
            self.count();
            let (after, decision) = decide(&state, settings, &self.observe(), now);
            state = after;
            self.outcome.decisions += 1;
            let mut changed = false;
            for name in &decision.resume {
                changed |= self.tell(name, WorkerState::Running);
            }
            for name in &decision.drain {
                changed |= self.tell(name, WorkerState::Draining);
            }
            if decision.applied != self.replicas {
                self.outcome.writes.push((now.0, decision.applied));
                self.replicas = decision.applied;
                changed = true;
            }
            self.reconcile(&decision.victims);
            self.dispatch();
            self.last = Some(decision);
            if !changed {
                break;
            }
        }
        self.outcome.most_workers = self.outcome.most_workers.max(self.pods.len());
        state
    }

    fn tell(&mut self, name: &str, asked: WorkerState) -> bool {
        let Some(pod) = name.parse().ok().and_then(|id: u32| self.pods.get_mut(&id)) else { return false };
        let before = pod.state;
        pod.state = match asked {
            WorkerState::Draining if pod.in_flight == 0 => WorkerState::Drained,
            asked => asked,
        };
        pod.state != before
    }

    /// The ReplicaSet: creates what is missing, deletes by its own order what is too much.
    fn reconcile(&mut self, victims: &[String]) {
        while (self.pods.len() as u32) < self.replicas {
            let id = self.next;
            self.next += 1;
            let pod = Pod { created: self.now, ready: None, state: WorkerState::Running, in_flight: 0, completed: 0 };
            self.pods.insert(id, pod);
            self.events.push(Reverse((self.now + self.setup.startup, Event::Booted { worker: id })));
        }
        let surplus = self.pods.len() - self.replicas as usize;
        if surplus == 0 {
            return;
        }
        let mut workers = self.workers();
        for worker in &mut workers {
            worker.deletion_cost = if victims.contains(&worker.name) { VICTIM_COST } else { 0 };
        }
        let now = Timestamp(self.now as f64 / 1000.0);
        for index in replica_set_order::order(&workers, now).into_iter().take(surplus) {
            let Ok(id) = workers[index].name.parse() else { continue };
            if let Some(pod) = self.pods.remove(&id) {
                self.outcome.worker_seconds += (self.now - pod.created) as f64 / 1000.0;
                self.outcome.interrupted += pod.in_flight;
            }
        }
    }

    /// The broker counts what is unacknowledged, every 5 s.
    fn count(&mut self) {
        if self.counted.as_ref().is_none_or(|(at, _)| self.now >= at + 5_000) {
            let counts = self.pods.iter().map(|(id, pod)| (id.to_string(), u64::from(pod.in_flight))).collect();
            self.counted = Some((self.now, counts));
        }
    }

    fn queue(&self) -> QueueReading {
        let now = self.now as f64 / 1000.0;
        let ready = self.queue.len() as u64;
        match (self.setup.sight, &self.counted) {
            (Sight::Lagging, Some((at, counts))) => {
                let at = Timestamp(*at as f64 / 1000.0);
                QueueReading::Known(QueueCounts {
                    ready,
                    at: Timestamp(now),
                    unacked: Some(Counted { count: counts.values().sum(), at }),
                    unacked_by_worker: Some(CountedByWorker { counts: counts.clone(), at }),
                    ..QueueCounts::default()
                })
            }
            _ => fixtures::queue(ready, self.pods.values().map(|pod| u64::from(pod.in_flight)).sum(), now),
        }
    }

    fn observe(&self) -> Observation {
        Observation {
            queue: self.queue(),
            workers: self.workers(),
            replicas: Some(self.replicas),
            growth_refused: None,
        }
    }

    fn workers(&self) -> Vec<Worker> {
        let second = |at: Instant| Timestamp(at as f64 / 1000.0);
        let worker = |(id, pod): (&u32, &Pod)| Worker {
            created: second(pod.created),
            first_ready: pod.ready.map(second),
            phase: if pod.ready.is_some() { WorkerPhase::Ready } else { WorkerPhase::Pending },
            slots: self.setup.slots,
            report: pod.ready.filter(|_| self.setup.sight == Sight::Exact).map(|_| Report {
                state: pod.state,
                completed: Some(pod.completed),
                ..fixtures::report(pod.in_flight, self.now as f64 / 1000.0)
            }),
            ..fixtures::worker(&id.to_string())
        };
        self.pods.iter().map(worker).collect()
    }
}
