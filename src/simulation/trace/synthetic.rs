//! Loads made up from a few numbers and a seed.

use std::f64::consts::TAU;

use super::{Task, Trace, millis};
use crate::simulation::random::Random;

/// Spread of durations: log-normal with this σ has the shape of 7,968 real agent runs (median 0.53 of the
/// mean, p90 2.5 and p99 6.3 times the mean; σ = 1.12 gives 0.53, 2.2 and 7.2).
const SPREAD: f64 = 1.12;

/// At night there are this many of the arrivals that there are on average.
const NIGHT: f64 = 0.1;

const DAY: f64 = 86_400.0;

/// How tasks arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrivals {
    /// Independent of each other, so many a minute.
    Poisson { per_minute: f64 },
    /// So many at once, again and again.
    Burst { tasks: u32, every: f64 },
    /// A sine over the day, so many a minute on average: a tenth of it at midnight, when the load begins, 1.9 times
    /// as many at noon.
    Diurnal { per_minute: f64 },
}

/// A load from a few numbers. Seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Synthetic {
    pub arrivals: Arrivals,
    /// Until the last arrival.
    pub lasts: f64,
    /// S
    pub mean_duration: f64,
    pub seed: u64,
}

impl Synthetic {
    pub fn trace(&self) -> Trace {
        let mut random = Random::new(self.seed);
        let arrivals = match self.arrivals {
            Arrivals::Poisson { per_minute } => thinned(&mut random, self.lasts, per_minute / 60.0, |_| 1.0),
            Arrivals::Burst { tasks, every } => bursts(self.lasts, tasks, every),
            Arrivals::Diurnal { per_minute } => {
                let share = |at: f64| (1.0 - (1.0 - NIGHT) * (TAU * at / DAY).cos()) / (2.0 - NIGHT);
                thinned(&mut random, self.lasts, per_minute / 60.0 * (2.0 - NIGHT), share)
            }
        };
        let mut lasts = || (self.mean_duration * (SPREAD * random.normal() - SPREAD * SPREAD / 2.0).exp()).max(1.0);
        let tasks = arrivals.into_iter().map(|at| Task { arrives: millis(at), lasts: millis(lasts()) }).collect();
        Trace::new(self.name(), tasks)
    }

    /// How many tasks it has, about.
    pub fn expected_tasks(&self) -> f64 {
        match self.arrivals {
            Arrivals::Poisson { per_minute } | Arrivals::Diurnal { per_minute } => per_minute / 60.0 * self.lasts,
            Arrivals::Burst { tasks, every } => f64::from(tasks) * (self.lasts / every.max(1.0)).ceil().max(1.0),
        }
    }

    fn name(&self) -> String {
        let arrivals = match self.arrivals {
            Arrivals::Poisson { per_minute } => format!("Poisson, {per_minute} tasks a minute"),
            Arrivals::Burst { tasks, every } => {
                format!("bursts of {tasks} tasks every {} min", (every / 0.6).round() / 100.0)
            }
            Arrivals::Diurnal { per_minute } => format!("day and night, {per_minute} tasks a minute on average"),
        };
        format!("{arrivals}, seed {}", self.seed)
    }
}

/// A Poisson process whose rate is `most · share(t)`, by thinning (Lewis and Shedler, 1979).
fn thinned(random: &mut Random, lasts: f64, most: f64, share: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut arrivals = Vec::new();
    let mut at = 0.0;
    if most <= 0.0 {
        return arrivals;
    }
    loop {
        at += random.exponential() / most;
        if at > lasts {
            return arrivals;
        }
        if random.unit() < share(at) {
            arrivals.push(at);
        }
    }
}

fn bursts(lasts: f64, tasks: u32, every: f64) -> Vec<f64> {
    let count = (lasts / every.max(1.0)).ceil().max(1.0) as u32;
    (0..count).flat_map(|burst| std::iter::repeat_n(f64::from(burst) * every, tasks as usize)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(arrivals: Arrivals) -> Trace {
        Synthetic { arrivals, lasts: DAY, mean_duration: 90.0, seed: 1 }.trace()
    }

    #[test]
    fn as_many_tasks_come_as_asked_for_and_last_as_long() {
        for arrivals in [Arrivals::Poisson { per_minute: 10.0 }, Arrivals::Diurnal { per_minute: 10.0 }] {
            let trace = load(arrivals);
            let count = trace.tasks.len() as f64;
            assert!((count / 14_400.0 - 1.0).abs() < 0.03, "{arrivals:?}: {count}");
            assert!((trace.mean_duration() / 90.0 - 1.0).abs() < 0.05, "{arrivals:?}: {}", trace.mean_duration());
        }
    }

    #[test]
    fn bursts_come_at_once_and_again() {
        let trace = load(Arrivals::Burst { tasks: 30, every: 21_600.0 });
        let arrivals: Vec<u64> = trace.tasks.iter().step_by(30).map(|task| task.arrives / 1000).collect();
        assert_eq!((trace.tasks.len(), arrivals.as_slice()), (120, [0, 21_600, 43_200, 64_800].as_slice()));
    }

    #[test]
    fn there_is_a_night_and_a_day() {
        let trace = load(Arrivals::Diurnal { per_minute: 10.0 });
        let within = |from: u64, to: u64| {
            trace.tasks.iter().filter(|task| (from..to).contains(&(task.arrives / 3_600_000))).count()
        };
        assert!(within(0, 2) * 6 < within(11, 13), "{} and {}", within(0, 2), within(11, 13));
    }

    #[test]
    fn the_same_seed_gives_the_same_load() {
        let arrivals = Arrivals::Poisson { per_minute: 3.0 };
        assert_eq!(load(arrivals), load(arrivals));
        let other = Synthetic { arrivals, lasts: DAY, mean_duration: 90.0, seed: 2 }.trace();
        assert_ne!(load(arrivals).tasks, other.tasks);
    }
}
