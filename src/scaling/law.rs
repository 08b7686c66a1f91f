//! The start-deadline law: how many slots the queue needs.
//!
//! > A queued task may wait for an existing slot only as long as a new worker could still start in
//! > time.

use super::arrivals::Arrivals;
use super::time::Timestamp;

/// Taken off before rounding up, or float noise buys a worker.
const ROUNDING: f64 = 1e-6;

/// What the law is made from, in its own symbols. Seconds and tasks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// n: tasks in flight on workers that are neither draining nor leaving.
    pub in_flight: f64,
    /// c0: slots of workers that exist or boot, neither draining nor leaving.
    pub slots: f64,
    /// S: mean task duration.
    pub task_duration: f64,
    /// b: pod created → first task.
    pub startup: f64,
    /// T: time to the next decision.
    pub interval: f64,
    /// D: the promise.
    pub start_within: f64,
    /// W, by [`free_slots`].
    pub free_slots: f64,
}

/// The law's answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// c: whole slots the pool should have.
    pub slots: f64,
    /// `max x_j`: slots short (positive) or to spare (negative).
    pub short: f64,
    /// The queued task that is shortest of slots; `None` where even an empty queue is shorter.
    pub pressing: Option<Pressing>,
}

/// The task j* that decides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pressing {
    /// j: its place in the queue, from 1.
    pub position: f64,
    /// Seconds it has waited.
    pub age: f64,
}

/// What the law says of one queued task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TaskTerms {
    /// a_j: seconds left to it at the next decision.
    pub left: f64,
    /// Completions counted on until a new worker would be too late for it.
    pub completions: f64,
    /// x_j
    pub short: f64,
}

/// `W = λ · max(0, b + T − D) + warmSlots`: free slots to keep. The λ part exists only where a cold
/// start cannot meet the promise.
///
/// Nothing else bounds this term, so b must be what start-ups took that ended: the age of a pod
/// that never starts would ask for ever more of its kind.
pub fn free_slots(arrivals_per_second: f64, startup: f64, interval: f64, start_within: f64, warm_slots: u32) -> f64 {
    arrivals_per_second * (startup + interval - start_within).max(0.0) + f64::from(warm_slots)
}

impl Terms {
    /// The law, for `B` queued tasks in queue order:
    ///
    /// ```text
    /// a_j = arr_j + D − T − now                              time left to task j at the next decision
    /// x_0 = W − (c0 − n)                                     slots short with an empty queue
    /// x_j = j + W − (c0 − n) − c0 · max(0, a_j − b) / S      slots task j is short of, j = 1 … B
    /// c   = clamp(c0 + max(0, max_j x_j), n, n + B + W)      above c0: grow at once; below: may shrink
    /// ```
    ///
    /// There is nothing to tune: the margin is b itself. Completions (c0 slots finish c0/S tasks a
    /// second, Little's law) are counted on only until the last moment at which a new worker would
    /// still be in time; what they fail to deliver by then is ordered then.
    ///
    /// One pass over the list: tasks that arrived together differ only in j, so the last of them is
    /// the shortest of slots.
    pub fn demand(&self, queue: &Arrivals, now: Timestamp) -> Demand {
        let free = self.free_slots;
        let idle = self.slots - self.in_flight;
        let mut short = free - idle;
        let mut pressing = None;
        let mut position = 0.0;
        for arrival in queue.iter() {
            position += arrival.count as f64;
            let age = now.since(arrival.at);
            let here = self.of_task(position, age);
            if here.short > short {
                short = here.short;
                pressing = Some(Pressing { position, age });
            }
        }
        let most = self.in_flight + position + free;
        let slots = (self.slots + short.max(0.0)).clamp(self.in_flight, most.max(self.in_flight));
        Demand { slots: (slots - ROUNDING).ceil().max(0.0), short, pressing }
    }

    /// The law's terms for the task in place `position`, which has waited for `age` seconds.
    pub fn of_task(&self, position: f64, age: f64) -> TaskTerms {
        let left = self.start_within - self.interval - age;
        let completions = self.slots * (left - self.startup).max(0.0) / self.task_duration;
        TaskTerms { left, completions, short: position + self.free_slots - (self.slots - self.in_flight) - completions }
    }
}
