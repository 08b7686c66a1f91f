//! q: memory of one task.

use std::sync::Arc;

use super::Evidence;

const MIB: f64 = 1024.0 * 1024.0;
/// The first bucket ends here; small, because a task may be a thin wrapper around a model call.
const FIRST_BUCKET: f64 = 16.0 * MIB;
/// Each bucket is this much larger than the one before: the answer is 5 % too high at most.
const GROWTH: f64 = 1.05;
/// Its natural logarithm.
const LN_GROWTH: f64 = 0.048_790_164_169_432_05;
/// 16 MiB · 1.05^220 is 0.7 TiB.
const BUCKETS: usize = 220;
const QUANTILE: f64 = 0.95;
/// Tasks that the start value is worth.
const GUESS_WEIGHT: f64 = 3.0;
/// Weights halve in the time of this many mean task durations: a new agent version is believed
/// after tens of tasks, however long tasks are.
const HALF_LIFE_TASKS: f64 = 60.0;
/// An OOM raises q to `max(1.2·q, q + 100 MiB/P)`, the rule of the Vertical Pod Autoscaler, per task.
const OOM_FACTOR: f64 = 1.2;
const OOM_BYTES: f64 = 100.0 * MIB;

/// Weights are scaled back when a new sample weighs this much.
const LARGEST_SCALE: f64 = 1e9;

/// A decaying histogram of (peak − base)/in flight, read at its 95th percentile.
///
/// Old samples do not lose weight, new ones gain it (forward decay; Cormode et al., 2009): what passes
/// with time is then one number, not all buckets.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskMemory {
    /// By bucket, up to the highest that has any. Shared until a new sample comes, so that cloning the
    /// state stays cheap.
    weights: Arc<Vec<f64>>,
    /// Their sum.
    total: f64,
    /// What a task weighs now.
    scale: f64,
    guess_weight: f64,
    restored: Option<f64>,
    /// What an OOM raised q to; fades with the same half-life.
    raised: f64,
}

impl Default for TaskMemory {
    fn default() -> Self {
        Self {
            weights: Arc::default(),
            total: 0.0,
            scale: 1.0,
            guess_weight: GUESS_WEIGHT,
            restored: None,
            raised: 0.0,
        }
    }
}

impl TaskMemory {
    pub fn restored(bytes: u64) -> Self {
        Self { restored: Some(bytes as f64), ..Self::default() }
    }

    /// A task took `bytes` at its peak; `tasks` says how much the sample weighs.
    pub fn record(&mut self, bytes: u64, tasks: f64) {
        if !(tasks > 0.0 && tasks.is_finite()) {
            return;
        }
        let weights = Arc::make_mut(&mut self.weights);
        let bucket = bucket(bytes as f64);
        if weights.len() <= bucket {
            weights.resize(bucket + 1, 0.0);
        }
        weights[bucket] += tasks * self.scale;
        self.total += tasks * self.scale;
    }

    /// `elapsed` seconds passed in which tasks ran, with S as given.
    pub fn decay(&mut self, elapsed: f64, task_duration: f64) {
        let kept = (-(elapsed / (HALF_LIFE_TASKS * task_duration))).exp2();
        if !self.weights.is_empty() {
            self.scale /= kept.clamp(f64::MIN_POSITIVE, 1.0);
        }
        if self.scale > LARGEST_SCALE {
            self.scale_back();
        }
        self.raised *= kept;
    }

    fn scale_back(&mut self) {
        let scale = std::mem::replace(&mut self.scale, 1.0);
        for weight in Arc::make_mut(&mut self.weights) {
            *weight /= scale;
        }
        self.total = self.weights.iter().sum();
        self.guess_weight /= scale;
    }

    /// A worker holding `prefetch` tasks was killed for memory.
    pub fn out_of_memory(&mut self, guess: u64, prefetch: u32) {
        let q = self.bytes(guess) as f64;
        self.raised = (q * OOM_FACTOR).max(q + OOM_BYTES / f64::from(prefetch.max(1)));
    }

    /// q, bytes, with the start value from settings.
    pub fn bytes(&self, guess: u64) -> u64 {
        let guess = self.restored.unwrap_or(guess as f64);
        self.percentile(guess).max(self.raised) as u64
    }

    /// Tasks that count.
    pub fn evidence(&self) -> Evidence {
        Evidence { samples: self.weights.iter().sum(), restored: self.restored.is_some() }
    }

    fn percentile(&self, guess: f64) -> f64 {
        let guess_bucket = bucket(guess);
        // From above, where few samples are: the first bucket with more than the quantile leaves at or above it.
        let most_above = (1.0 - QUANTILE) * (self.total + self.guess_weight);
        let mut above = 0.0;
        for index in (0..self.weights.len().max(guess_bucket + 1)).rev() {
            above += self.weights.get(index).copied().unwrap_or(0.0);
            above += if index == guess_bucket { self.guess_weight } else { 0.0 };
            if above > most_above {
                return if index == guess_bucket { guess } else { upper_bound(index) };
            }
        }
        guess
    }
}

fn bucket(bytes: f64) -> usize {
    if bytes <= FIRST_BUCKET {
        return 0;
    }
    ((bytes / FIRST_BUCKET).ln() / LN_GROWTH).ceil().min((BUCKETS - 1) as f64) as usize
}

fn upper_bound(bucket: usize) -> f64 {
    FIRST_BUCKET * GROWTH.powf(bucket as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MI: u64 = 1024 * 1024;

    #[test]
    fn before_anything_is_seen_it_is_the_start_value() {
        assert_eq!(TaskMemory::default().bytes(300 * MI), 300 * MI);
    }

    #[test]
    fn a_few_larger_tasks_are_believed_at_once_and_smaller_ones_slowly() {
        let mut memory = TaskMemory::default();
        memory.record(800 * MI, 1.0);
        let larger = memory.bytes(300 * MI);
        assert!((800 * MI..841 * MI).contains(&larger), "{larger}");

        let mut memory = TaskMemory::default();
        memory.record(100 * MI, 50.0);
        assert_eq!(memory.bytes(300 * MI), 300 * MI);
        memory.record(100 * MI, 50.0);
        let smaller = memory.bytes(300 * MI);
        assert!((100 * MI..106 * MI).contains(&smaller), "{smaller}");
    }

    #[test]
    fn an_oom_raises_it_by_a_fifth_or_by_its_share_of_100_mi() {
        let mut memory = TaskMemory::default();
        memory.out_of_memory(300 * MI, 4);
        assert_eq!(memory.bytes(300 * MI), 360 * MI);
        let mut memory = TaskMemory::default();
        memory.out_of_memory(50 * MI, 2);
        assert_eq!(memory.bytes(50 * MI), 100 * MI);
    }

    #[test]
    fn old_peaks_fade() {
        let mut memory = TaskMemory::default();
        memory.record(900 * MI, 20.0);
        memory.decay(60.0 * 60.0 * 10.0, 60.0);
        memory.record(200 * MI, 20.0);
        assert!(memory.bytes(300 * MI) < 220 * MI, "{}", memory.bytes(300 * MI) / MI);
    }
}
