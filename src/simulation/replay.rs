//! A load from what an operator recorded: readings of a queue become tasks again.
//!
//! A reading says how many tasks arrived and ended since the one before, how many wait and how many are at work.
//! What it cannot say is *which* task ended. Guarantees and limits of what is made of it:
//!
//! * arrivals are exact to the interval between two readings, and so is the number of tasks;
//! * the sum of all durations is exact: it is the area below the tasks at work, whichever task ended;
//! * which of the running tasks ended is a guess: chance, by a fixed seed (taking the oldest would make all tasks
//!   about equally long, and long tasks are what keeps workers from leaving).

use std::collections::VecDeque;

use super::random::Random;
use super::trace::{Millis, Task, Trace, millis, seconds};

/// More tasks than this are refused: a count out of its mind must not fill memory.
const MOST_TASKS: u64 = 5_000_000;

/// One changed reading of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Seconds since 1970.
    pub at: f64,
    pub ready: u64,
    pub in_flight: u64,
    /// Since the reading before.
    pub arrived: u64,
    pub completed: u64,
    /// Pods, those that boot, drain or terminate included.
    pub workers: u32,
}

/// A recorded load, and how it went.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    pub trace: Trace,
    /// When it began, seconds since 1970.
    pub start: f64,
    /// Seconds that it covers.
    pub lasts: f64,
    /// Seconds that tasks waited then, in the order of arrival, as far as they were seen to start.
    pub waits: Vec<f64>,
    /// Workers' time.
    pub worker_seconds: f64,
    /// Tasks that had not ended when the record did: they end with it.
    pub open: usize,
}

impl Replayed {
    /// Seconds.
    pub fn longest_wait(&self) -> f64 {
        self.waits.iter().copied().fold(0.0, f64::max)
    }

    /// Share of those seen to start that started within so many seconds.
    pub fn started_within(&self, seconds: f64) -> f64 {
        let in_time = self.waits.iter().filter(|wait| **wait <= seconds).count();
        if self.waits.is_empty() { 1.0 } else { in_time as f64 / self.waits.len() as f64 }
    }
}

/// Why there is nothing to replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// Not even one reading, or none with a task.
    NoTasks,
    TooMany,
}

impl std::fmt::Display for ReplayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoTasks => write!(f, "no task came while it was recorded"),
            Self::TooMany => write!(f, "it counts more than {MOST_TASKS} tasks, which cannot be replayed"),
        }
    }
}

impl std::error::Error for ReplayError {}

/// Tasks of `readings`, which are in the order of time.
pub fn replay(name: &str, readings: &[Reading]) -> Result<Replayed, ReplayError> {
    let (Some(first), Some(last)) = (readings.first(), readings.last()) else { return Err(ReplayError::NoTasks) };
    let mut tape = Tape { random: Random::new(1), ..Tape::default() };
    let mut worker_seconds = 0.0;
    let mut before = Reading { at: first.at, ..Reading::default() };
    for reading in readings {
        let at = reading.at.max(before.at);
        worker_seconds += (at - before.at) * f64::from(before.workers);
        let (arrived, completed) = flow(&before, reading);
        if tape.tasks.len() as u64 + arrived > MOST_TASKS {
            return Err(ReplayError::TooMany);
        }
        let now = millis(at - first.at);
        tape.arrive(arrived, now);
        tape.start_until(reading.ready, now);
        tape.complete(completed, now);
        before = Reading { at, ..*reading };
    }
    if tape.tasks.is_empty() {
        return Err(ReplayError::NoTasks);
    }
    let end = millis(last.at.max(before.at) - first.at);
    let open = tape.queue.len() + tape.running.len();
    tape.start_until(0, end);
    tape.complete(u64::MAX, end);
    Ok(Replayed {
        trace: Trace::new(name, tape.tasks),
        start: first.at,
        lasts: seconds(end),
        waits: tape.waits,
        worker_seconds,
        open,
    })
}

/// Arrivals and completions between two readings. What is waiting and at work counts more than sums: lines may be
/// lost, and an operator that starts anew has no sums.
fn flow(before: &Reading, reading: &Reading) -> (u64, u64) {
    let held = |reading: &Reading| i128::from(reading.ready) + i128::from(reading.in_flight);
    let missing = held(reading) - held(before) - i128::from(reading.arrived) + i128::from(reading.completed);
    let part = |number: i128| u64::try_from(number.max(0)).unwrap_or(u64::MAX);
    (reading.arrived.saturating_add(part(missing)), reading.completed.saturating_add(part(-missing)))
}

#[derive(Debug)]
struct Tape {
    tasks: Vec<Task>,
    queue: VecDeque<usize>,
    /// (task, began)
    running: Vec<(usize, Millis)>,
    waits: Vec<f64>,
    random: Random,
}

impl Default for Tape {
    fn default() -> Self {
        Self {
            tasks: Vec::new(),
            queue: VecDeque::new(),
            running: Vec::new(),
            waits: Vec::new(),
            random: Random::new(0),
        }
    }
}

impl Tape {
    fn arrive(&mut self, count: u64, now: Millis) {
        for _ in 0..count {
            self.queue.push_back(self.tasks.len());
            self.tasks.push(Task { arrives: now, lasts: 0 });
        }
    }

    /// The oldest start until so many are left.
    fn start_until(&mut self, ready: u64, now: Millis) {
        while self.queue.len() as u64 > ready {
            let Some(task) = self.queue.pop_front() else { return };
            self.waits.push(seconds(now - self.tasks[task].arrives));
            self.running.push((task, now));
        }
    }

    fn complete(&mut self, count: u64, now: Millis) {
        for _ in 0..count.min(self.running.len() as u64) {
            let (task, began) = self.running.swap_remove(self.random.index(self.running.len()));
            self.tasks[task].lasts = now - began;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at: f64, ready: u64, in_flight: u64, arrived: u64, completed: u64) -> Reading {
        Reading { at: 1_000_000.0 + at, ready, in_flight, arrived, completed, workers: 2 }
    }

    fn tasks(replayed: &Replayed) -> Vec<(u64, u64)> {
        replayed.trace.tasks.iter().map(|task| (task.arrives / 1000, task.lasts / 1000)).collect()
    }

    #[test]
    fn readings_become_the_tasks_that_made_them() {
        let readings = [
            reading(0.0, 0, 0, 0, 0),
            reading(10.0, 2, 0, 2, 0),
            reading(30.0, 0, 2, 0, 0),
            reading(40.0, 0, 1, 0, 1),
            reading(90.0, 0, 0, 0, 1),
        ];
        let replayed = replay("x", &readings).unwrap();
        let mut lasts: Vec<u64> = tasks(&replayed).iter().map(|(_, lasts)| *lasts).collect();
        lasts.sort_unstable();
        assert_eq!(lasts, [10, 60]);
        assert_eq!(replayed.waits, [20.0, 20.0]);
        assert_eq!((replayed.lasts, replayed.worker_seconds, replayed.open), (90.0, 180.0, 0));
    }

    #[test]
    fn a_task_that_came_and_ended_between_two_readings_is_not_lost() {
        let readings = [reading(0.0, 0, 1, 0, 0), reading(2.0, 0, 1, 3, 3)];
        assert_eq!(tasks(&replay("x", &readings).unwrap()).len(), 4);
    }

    #[test]
    fn lines_that_are_missing_lose_no_task_that_is_still_there() {
        // Five arrived and two ended in lines that the log has lost.
        let readings = [reading(0.0, 0, 1, 0, 0), reading(60.0, 3, 1, 0, 0), reading(90.0, 0, 0, 0, 0)];
        let replayed = replay("x", &readings).unwrap();
        assert_eq!(tasks(&replayed), [(0, 90), (60, 0), (60, 0), (60, 0)].map(|pair| pair));
        assert_eq!(replayed.open, 0);
    }

    #[test]
    fn what_still_runs_at_the_end_ends_with_the_record_and_is_said() {
        let readings = [reading(0.0, 0, 1, 0, 0), reading(50.0, 1, 1, 1, 0)];
        let replayed = replay("x", &readings).unwrap();
        assert_eq!((tasks(&replayed), replayed.open), (vec![(0, 50), (50, 0)], 2));
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        assert_eq!(replay("x", &[]), Err(ReplayError::NoTasks));
        assert_eq!(replay("x", &[reading(0.0, 0, 0, 0, 0)]), Err(ReplayError::NoTasks));
        assert_eq!(replay("x", &[reading(0.0, u64::MAX, 0, 0, 0)]), Err(ReplayError::TooMany));
    }
}
