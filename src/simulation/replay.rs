//! A load from what an operator recorded: readings of a queue become tasks again.
//!
//! A reading says how many tasks wait, how many are at work and how many ended since the one before. What it cannot say
//! is *which* task ended. Guarantees and limits of what is made of it:
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
/// Seconds for which a count of tasks in flight can be older than what stands beside it.
const LAG: f64 = 15.0;

/// One changed reading of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Seconds since 1970.
    pub at: f64,
    pub ready: u64,
    /// A broker's counts are up to 5 s old, and then too high while tasks end.
    pub in_flight: u64,
    /// Since the reading before.
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
    let mut before = first;
    for (reading, flow) in readings.iter().zip(flows(readings)) {
        worker_seconds += (reading.at - before.at) * f64::from(before.workers);
        if (tape.tasks.len() as u64).saturating_add(flow.arrived) > MOST_TASKS {
            return Err(ReplayError::TooMany);
        }
        let now = millis(reading.at - first.at);
        tape.arrive(flow.arrived, now);
        tape.start_until(reading.ready, now);
        tape.complete(flow.completed, now);
        before = reading;
    }
    if tape.tasks.is_empty() {
        return Err(ReplayError::NoTasks);
    }
    let end = millis(last.at - first.at);
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

/// What came and went up to a reading, since the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Flow {
    arrived: u64,
    completed: u64,
}

/// Arrivals and completions between readings.
///
/// All work seen, `ready + in flight + completed`, is the number of arrivals where every count is of the same moment.
/// A count of tasks in flight that is too old makes it too high for a while: so the lowest of the next
/// [`LAG`] seconds counts. Where it stays too low, tasks ended unseen: lines are missing, the operator was down, or a
/// worker left before its last word was heard.
fn flows(readings: &[Reading]) -> Vec<Flow> {
    let mut ended = 0_u64;
    let mut first = true;
    let seen: Vec<u64> = readings
        .iter()
        .map(|reading| {
            // What ended before the record began is not part of it.
            ended = ended.saturating_add(if first { 0 } else { reading.completed });
            first = false;
            reading.ready.saturating_add(reading.in_flight).saturating_add(ended)
        })
        .collect();
    let mut unseen = 0_u64;
    let mut arrived = 0_u64;
    let mut flows = Vec::with_capacity(readings.len());
    for (index, reading) in readings.iter().enumerate() {
        let soon = readings[index..].iter().take_while(|next| next.at - reading.at <= LAG).count();
        let soon = &seen[index..index + soon];
        let (lowest, highest) = soon.iter().fold((u64::MAX, 0), |(low, high), work| (low.min(*work), high.max(*work)));
        let mut completed = if index == 0 { 0 } else { reading.completed };
        if highest.saturating_add(unseen) < arrived {
            let lost = arrived - unseen - seen[index];
            unseen += lost;
            completed = completed.saturating_add(lost);
        }
        let upto = lowest.saturating_add(unseen).max(arrived);
        flows.push(Flow { arrived: upto - arrived, completed });
        arrived = upto;
    }
    flows
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

    fn reading(at: f64, ready: u64, in_flight: u64, completed: u64) -> Reading {
        Reading { at: 1_000_000.0 + at, ready, in_flight, completed, workers: 2 }
    }

    fn tasks(replayed: &Replayed) -> Vec<(u64, u64)> {
        replayed.trace.tasks.iter().map(|task| (task.arrives / 1000, task.lasts / 1000)).collect()
    }

    #[test]
    fn readings_become_the_tasks_that_made_them() {
        let readings = [
            reading(0.0, 0, 0, 0),
            reading(10.0, 2, 0, 0),
            reading(30.0, 0, 2, 0),
            reading(40.0, 0, 1, 1),
            reading(90.0, 0, 0, 1),
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
        let readings = [reading(0.0, 0, 1, 0), reading(2.0, 0, 1, 3), reading(60.0, 0, 0, 1)];
        assert_eq!(tasks(&replay("x", &readings).unwrap()).len(), 4);
    }

    #[test]
    fn counts_that_lag_behind_completions_invent_no_task() {
        // Eight tasks end in eight seconds; the broker's count of them is five seconds old.
        let lagging = (0..=20_u32).map(|second| {
            let ended = |at: u32| u64::from(at.min(8));
            let completed = ended(second) - ended(second.saturating_sub(1));
            reading(f64::from(second), 0, 8 - ended(second.saturating_sub(5)), completed)
        });
        let replayed = replay("x", &lagging.collect::<Vec<_>>()).unwrap();
        assert_eq!((tasks(&replayed).len(), replayed.open), (8, 0));
        let work: u64 = tasks(&replayed).iter().map(|(_, lasts)| lasts).sum();
        assert_eq!(work, (1..=8).sum::<u64>(), "each ended when it was said to have ended");
    }

    #[test]
    fn what_ended_unseen_has_ended_all_the_same() {
        // Four tasks; two ends are missing, in a gap. Later a fifth task comes.
        let readings = [
            reading(0.0, 0, 4, 0),
            reading(10.0, 0, 3, 1),
            reading(60.0, 0, 1, 0),
            reading(100.0, 0, 2, 0),
            reading(130.0, 0, 0, 2),
        ];
        let replayed = replay("x", &readings).unwrap();
        assert_eq!((tasks(&replayed).len(), replayed.open), (5, 0));
        let work: u64 = tasks(&replayed).iter().map(|(_, lasts)| lasts).sum();
        assert_eq!(work, 10 + 60 + 60 + 130 + 30);
    }

    #[test]
    fn what_still_runs_at_the_end_ends_with_the_record_and_is_said() {
        let readings = [reading(0.0, 0, 1, 0), reading(50.0, 1, 1, 0)];
        let replayed = replay("x", &readings).unwrap();
        assert_eq!((tasks(&replayed), replayed.open), (vec![(0, 50), (50, 0)], 2));
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        assert_eq!(replay("x", &[]), Err(ReplayError::NoTasks));
        assert_eq!(replay("x", &[reading(0.0, 0, 0, 0)]), Err(ReplayError::NoTasks));
        assert_eq!(replay("x", &[reading(0.0, u64::MAX, 1, 0)]), Err(ReplayError::TooMany));
    }
}
