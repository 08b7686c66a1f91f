//! b: start-up time, from a pod's creation to its first readiness.

use std::collections::VecDeque;

use super::Evidence;

/// Before anything is seen, seconds: an image of a few hundred megabytes on a node that exists.
const FIRST_GUESS: f64 = 30.0;
/// What one sample's weight becomes with each newer one: the last twenty count.
const KEEP: f64 = 0.95;
/// Older samples weigh less than 1 % of the newest.
const SAMPLES: usize = 90;
const QUANTILE: f64 = 0.95;
/// Seconds. A node and a large image take minutes; longer is a fault, not a start-up, and believing
/// it would keep every worker for as long (the default window is b).
const LONGEST: f64 = 600.0;

/// The decaying 95th percentile of start-up times.
///
/// Too small a b is the one estimate that strains the promise, too large a one costs a per cent or
/// two: hence p95, and hence [`Startup::with_booting`].
#[derive(Clone, Debug, PartialEq)]
pub struct Startup {
    /// Newest last; the first one is the guess.
    samples: VecDeque<f64>,
    learned: f64,
    restored: bool,
}

impl Default for Startup {
    fn default() -> Self {
        Self::beginning_at(FIRST_GUESS, false)
    }
}

impl Startup {
    pub fn restored(seconds: f64) -> Self {
        Self::beginning_at(seconds, true)
    }

    fn beginning_at(seconds: f64, restored: bool) -> Self {
        let seconds = seconds.clamp(0.0, LONGEST);
        Self { samples: VecDeque::from([seconds]), learned: seconds, restored }
    }

    /// A pod took this long.
    pub fn record(&mut self, seconds: f64) {
        if !seconds.is_finite() {
            return;
        }
        self.samples.push_back(seconds.clamp(0.0, LONGEST));
        if self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
        self.learned = percentile(&self.samples, &[]);
    }

    /// b from start-ups that ended.
    pub fn learned(&self) -> f64 {
        self.learned
    }

    /// Start-ups seen, besides the first guess.
    pub fn evidence(&self) -> Evidence {
        Evidence { samples: self.samples.len().saturating_sub(1) as f64, restored: self.restored }
    }

    /// b, with pods that still boot counting by their age once it exceeds what was learned: a slow
    /// first image pull raises b before it ends.
    pub fn with_booting(&self, ages: impl Iterator<Item = f64>) -> f64 {
        let slow: Vec<f64> = ages.filter(|age| *age > self.learned).map(|age| age.min(LONGEST)).collect();
        if slow.is_empty() { self.learned } else { percentile(&self.samples, &slow).max(self.learned) }
    }
}

/// The weighted percentile; `booting` weigh like the newest sample.
fn percentile(samples: &VecDeque<f64>, booting: &[f64]) -> f64 {
    let mut weight = 1.0;
    let mut weighted: Vec<(f64, f64)> = booting.iter().map(|age| (*age, 1.0)).collect();
    for sample in samples.iter().rev() {
        weighted.push((*sample, weight));
        weight *= KEEP;
    }
    weighted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = weighted.iter().map(|(_, weight)| weight).sum();
    let mut below = 0.0;
    for (value, weight) in &weighted {
        below += weight;
        if below >= QUANTILE * total {
            return *value;
        }
    }
    weighted.last().map_or(FIRST_GUESS, |(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_at_thirty_seconds() {
        assert_eq!(Startup::default().with_booting(std::iter::empty()), 30.0);
    }

    #[test]
    fn fifteen_quick_starts_outweigh_the_guess() {
        let mut startup = Startup::default();
        for _ in 0..15 {
            startup.record(6.0);
        }
        assert_eq!(startup.with_booting(std::iter::empty()), 6.0);
    }

    #[test]
    fn one_slow_pull_raises_it_before_it_ends() {
        let startup = Startup::restored(6.0);
        assert_eq!(startup.with_booting([5.0, 40.0].into_iter()), 40.0);
    }

    #[test]
    fn one_stuck_pod_among_many_quick_ones_does_not() {
        let mut startup = Startup::restored(6.0);
        for _ in 0..90 {
            startup.record(6.0);
        }
        assert_eq!(startup.with_booting([500.0].into_iter()), 6.0);
    }

    #[test]
    fn nothing_counts_for_more_than_ten_minutes() {
        assert_eq!(Startup::restored(6.0).with_booting([1e9].into_iter()), 600.0);
    }
}
