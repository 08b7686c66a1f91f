//! S: mean task duration.

use super::Evidence;

/// Seconds after which what was seen weighs e times less.
const TIME_CONSTANT: f64 = 900.0;
/// Completions that the first guess is worth. A ten times wrong guess moves worker-hours by 0.2 %.
const GUESS_WEIGHT: f64 = 3.0;
/// Completions that a value learned before a restart is worth.
const RESTORED_WEIGHT: f64 = 10.0;
/// S divides: tasks are taken to be within these bounds, seconds.
const SHORTEST: f64 = 0.001;
const LONGEST: f64 = 30.0 * 86_400.0;

/// Little's law over the recent past: `S = ∫ in-flight dt / completions`, both decaying.
///
/// It needs no task to be followed from start to end. While many tasks run and none has ended it
/// errs high, that is towards more workers.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskDuration {
    task_seconds: f64,
    completions: f64,
    /// The guess's weight now, and the guess if it came from status and not from settings.
    guess_weight: f64,
    restored: Option<f64>,
}

impl Default for TaskDuration {
    fn default() -> Self {
        Self { task_seconds: 0.0, completions: 0.0, guess_weight: GUESS_WEIGHT, restored: None }
    }
}

impl TaskDuration {
    pub fn restored(seconds: f64) -> Self {
        Self { guess_weight: RESTORED_WEIGHT, restored: Some(seconds), ..Self::default() }
    }

    /// In `elapsed` seconds, workers spent `task_seconds` on tasks and completed `completions`.
    pub fn record(&mut self, task_seconds: f64, completions: f64, elapsed: f64) {
        let kept = (-elapsed.max(0.0) / TIME_CONSTANT).exp();
        self.task_seconds = self.task_seconds * kept + task_seconds.max(0.0);
        self.completions = self.completions * kept + completions.max(0.0);
        // An idle pool learns nothing and forgets nothing: the ratio stays as it is.
        self.guess_weight *= kept;
    }

    /// S, with the first guess from settings.
    pub fn mean(&self, guess: f64) -> f64 {
        let guess = bounded(self.restored.unwrap_or(guess));
        let weight = self.completions + self.guess_weight;
        if weight < f64::MIN_POSITIVE {
            return guess;
        }
        bounded((self.task_seconds + self.guess_weight * guess) / weight)
    }

    /// Completions that count.
    pub fn evidence(&self) -> Evidence {
        Evidence { samples: self.completions, restored: self.restored.is_some() }
    }
}

fn bounded(seconds: f64) -> f64 {
    if seconds.is_nan() { SHORTEST } else { seconds.clamp(SHORTEST, LONGEST) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_anything_is_seen_it_is_the_guess() {
        assert_eq!(TaskDuration::default().mean(90.0), 90.0);
        assert_eq!(TaskDuration::restored(74.0).mean(90.0), 74.0);
    }

    #[test]
    fn it_finds_the_mean_from_a_ten_times_wrong_guess() {
        let mut duration = TaskDuration::default();
        for _ in 0..1800 {
            // Ten busy slots, a task a second: S = 10.
            duration.record(10.0, 1.0, 1.0);
        }
        assert!((duration.mean(100.0) - 10.0).abs() < 0.5, "{}", duration.mean(100.0));
    }

    #[test]
    fn a_long_idle_time_does_not_make_it_infinite_or_nothing() {
        let mut duration = TaskDuration::default();
        duration.record(600.0, 10.0, 60.0);
        duration.record(0.0, 0.0, 1e9);
        assert_eq!(duration.mean(42.0), 42.0);
    }
}
