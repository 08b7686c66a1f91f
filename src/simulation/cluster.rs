//! A queue and its workers in virtual time.
//!
//! One FIFO queue; a free slot takes the head at once; a worker boots for a while before it takes tasks. What
//! happens at one instant happens in this order: completions, the ends of grace periods, boots, arrivals; then
//! decisions.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::random::Random;
use super::trace::{Millis, Task};

/// Which worker takes the queue's head, among those with a free slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dispatch {
    /// The fullest, then the oldest: lets the others become free.
    Fullest,
    /// The least busy, then the oldest: what brokers do by themselves.
    LeastBusy,
    /// The one that stays longest anyway: only who knows durations can tell.
    Foreseen,
}

/// The world's own numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// Tasks one worker holds at once.
    pub slots: u32,
    /// Start-up takes from .. to, evenly spread.
    pub startup: (Millis, Millis),
    pub dispatch: Dispatch,
    /// From SIGTERM to SIGKILL.
    pub grace: Millis,
    /// Of start-up times.
    pub seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Takes tasks, or will when it has booted.
    Active,
    /// Takes no more tasks and finishes those it has.
    Draining,
    /// Had SIGTERM: finishes what it can within the grace period.
    Terminating,
}

/// A task at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    pub task: usize,
    pub ends: Millis,
}

#[derive(Clone, Debug)]
pub struct Pod {
    /// In the order of creation.
    pub id: u32,
    pub created: Millis,
    /// When it had booted.
    pub ready: Option<Millis>,
    pub mode: Mode,
    pub running: Vec<Running>,
    pub completed: u64,
    /// Leaves by itself once it holds nothing and does not take tasks.
    leaves: bool,
}

impl Pod {
    pub fn in_flight(&self) -> u32 {
        self.running.len() as u32
    }

    /// When its last task ends.
    pub fn ends(&self) -> Millis {
        self.running.iter().map(|running| running.ends).max().unwrap_or(0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Completed { pod: u32, task: usize },
    GraceEnded { pod: u32 },
    Booted { pod: u32 },
    Arrived { task: usize },
}

pub struct Cluster<'a> {
    conditions: Conditions,
    tasks: &'a [Task],
    now: Millis,
    events: BinaryHeap<Reverse<(Millis, Event)>>,
    queue: VecDeque<usize>,
    /// In the order of their ids.
    pods: Vec<Pod>,
    created: u32,
    arrived: usize,
    random: Random,
    record: Record,
}

/// What happened so far.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// When each task started first.
    pub started: Vec<Option<Millis>>,
    pub finished: usize,
    pub last_finished: Millis,
    /// Tasks that had to start over.
    pub interrupted: u32,
    /// (created, removed) of workers that are gone.
    pub lives: Vec<(Millis, Millis)>,
}

impl<'a> Cluster<'a> {
    pub fn new(tasks: &'a [Task], conditions: Conditions) -> Self {
        let arrivals = tasks.iter().enumerate().map(|(task, t)| Reverse((t.arrives, Event::Arrived { task })));
        Self {
            conditions,
            tasks,
            now: 0,
            events: arrivals.collect(),
            queue: VecDeque::new(),
            pods: Vec::new(),
            created: 0,
            arrived: 0,
            random: Random::new(conditions.seed),
            record: Record { started: vec![None; tasks.len()], ..Record::default() },
        }
    }

    pub fn now(&self) -> Millis {
        self.now
    }

    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    pub fn pods(&self) -> &[Pod] {
        &self.pods
    }

    /// Tasks that wait, the head first.
    pub fn queue(&self) -> impl ExactSizeIterator<Item = &Task> {
        self.queue.iter().map(|&task| &self.tasks[task])
    }

    /// Tasks at work, whole queue.
    pub fn in_flight(&self) -> u32 {
        self.pods.iter().map(Pod::in_flight).sum()
    }

    /// Tasks that have arrived so far.
    pub fn arrived(&self) -> usize {
        self.arrived
    }

    /// Workers ever created.
    pub fn created(&self) -> u32 {
        self.created
    }

    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Every task is done.
    pub fn done(&self) -> bool {
        self.record.finished == self.tasks.len()
    }

    /// Lets everything happen that happens up to and at `until`.
    pub fn run_until(&mut self, until: Millis) {
        while let Some(Reverse((at, _))) = self.events.peek()
            && *at <= until
        {
            let Some(Reverse((at, event))) = self.events.pop() else { return };
            self.now = at;
            match event {
                Event::Completed { pod, task } => self.complete(pod, task),
                Event::GraceEnded { pod } => self.kill(pod),
                Event::Booted { pod } => {
                    if let Some(pod) = self.pod(pod) {
                        pod.ready = Some(at);
                    }
                }
                Event::Arrived { task } => {
                    self.arrived += 1;
                    self.queue.push_back(task);
                }
            }
            self.dispatch();
        }
        self.now = until;
    }

    pub fn create(&mut self, count: u32) {
        for _ in 0..count {
            let id = self.created;
            self.created += 1;
            let (from, to) = self.conditions.startup;
            let startup = from + (self.random.unit() * (to.saturating_sub(from)) as f64) as Millis;
            self.events.push(Reverse((self.now + startup, Event::Booted { pod: id })));
            self.pods.push(Pod {
                id,
                created: self.now,
                ready: None,
                mode: Mode::Active,
                running: Vec::new(),
                completed: 0,
                leaves: false,
            });
        }
    }

    /// It takes no more tasks. Answers whether that is news.
    pub fn drain(&mut self, id: u32) -> bool {
        self.turn(id, Mode::Draining)
    }

    /// The same, and it leaves as soon as it holds nothing.
    pub fn drain_and_leave(&mut self, id: u32) {
        if let Some(pod) = self.pod(id) {
            pod.mode = Mode::Draining;
            pod.leaves = true;
            self.leave_if_free(id);
        }
    }

    /// It takes tasks again. Answers whether that is news.
    pub fn resume(&mut self, id: u32) -> bool {
        let news = self.turn(id, Mode::Active);
        if let Some(pod) = self.pod(id) {
            pod.leaves = false;
        }
        self.dispatch();
        news
    }

    /// SIGTERM, and SIGKILL when the grace period has passed.
    pub fn terminate(&mut self, id: u32) {
        let ends = self.now + self.conditions.grace;
        if let Some(pod) = self.pod(id) {
            pod.mode = Mode::Terminating;
            pod.leaves = true;
            self.events.push(Reverse((ends, Event::GraceEnded { pod: id })));
            self.leave_if_free(id);
        }
    }

    /// It is gone at once, whatever it holds: that goes back to the queue's head and starts over.
    pub fn kill(&mut self, id: u32) {
        let Ok(index) = self.pods.binary_search_by_key(&id, |pod| pod.id) else { return };
        let pod = self.pods.remove(index);
        self.record.lives.push((pod.created, self.now));
        self.record.interrupted += pod.in_flight();
        let mut lost: Vec<usize> = pod.running.iter().map(|running| running.task).collect();
        lost.sort_unstable_by(|a, b| b.cmp(a));
        for task in lost {
            self.queue.push_front(task);
        }
        self.dispatch();
    }

    fn turn(&mut self, id: u32, mode: Mode) -> bool {
        let Some(pod) = self.pod(id) else { return false };
        let news = pod.mode != mode;
        pod.mode = mode;
        news
    }

    fn complete(&mut self, id: u32, task: usize) {
        let now = self.now;
        let Some(pod) = self.pod(id) else { return };
        pod.running.retain(|running| running.task != task);
        pod.completed += 1;
        self.record.finished += 1;
        self.record.last_finished = now;
        self.leave_if_free(id);
    }

    fn leave_if_free(&mut self, id: u32) {
        let Ok(index) = self.pods.binary_search_by_key(&id, |pod| pod.id) else { return };
        if self.pods[index].leaves && self.pods[index].running.is_empty() {
            let pod = self.pods.remove(index);
            self.record.lives.push((pod.created, self.now));
        }
    }

    /// Gives the queue's head to free slots as long as there are both.
    fn dispatch(&mut self) {
        while let Some(&task) = self.queue.front() {
            let ends = self.now + self.tasks[task].lasts;
            let Some(pod) = self.next_free(ends) else { return };
            pod.running.push(Running { task, ends });
            let id = pod.id;
            self.queue.pop_front();
            self.record.started[task].get_or_insert(self.now);
            self.events.push(Reverse((ends, Event::Completed { pod: id, task })));
        }
    }

    fn next_free(&mut self, ends: Millis) -> Option<&mut Pod> {
        let slots = self.conditions.slots;
        let free = self
            .pods
            .iter_mut()
            .filter(|pod| pod.ready.is_some() && pod.mode == Mode::Active && pod.in_flight() < slots);
        match self.conditions.dispatch {
            Dispatch::Fullest => free.max_by_key(|pod| (pod.in_flight(), Reverse(pod.id))),
            Dispatch::LeastBusy => free.min_by_key(|pod| (pod.in_flight(), pod.id)),
            // First who stays at least as long anyway, the soonest of them; else who has to stay least longer.
            Dispatch::Foreseen => free.min_by_key(|pod| {
                let stays = pod.ends();
                if stays >= ends { (false, stays - ends, pod.id) } else { (true, ends - stays, pod.id) }
            }),
        }
    }

    fn pod(&mut self, id: u32) -> Option<&mut Pod> {
        let index = self.pods.binary_search_by_key(&id, |pod| pod.id).ok()?;
        self.pods.get_mut(index)
    }
}

#[cfg(test)]
mod tests;
