//! The one retry helper of the readers: a breaker with exponential backoff and jitter.

use crate::scaling::time::Timestamp;

/// How long after each failure in a row the next attempt is allowed.
///
/// While it is open nothing is tried, so a dead broker costs one attempt per period, whatever the
/// number of pools on it. Time and randomness are arguments.
#[derive(Clone, Debug)]
pub struct Backoff {
    /// Seconds after the first failure.
    first: f64,
    /// Seconds at most.
    most: f64,
    failures: u32,
    closed_at: Timestamp,
}

impl Backoff {
    pub fn new(first: f64, most: f64) -> Self {
        Self { first, most, failures: 0, closed_at: Timestamp::default() }
    }

    /// Notes a failure at `now`. `chance` in 0..1 spreads the next attempt over the upper half of
    /// the period, so that operators restarted together do not knock together.
    pub fn failed(&mut self, now: Timestamp, chance: f64) {
        let doubled = self.first * 2f64.powi(self.failures.min(32).cast_signed());
        self.failures = self.failures.saturating_add(1);
        self.closed_at = now.plus(doubled.min(self.most) * (0.5 + chance.clamp(0.0, 1.0) / 2.0));
    }

    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.closed_at = Timestamp::default();
    }

    /// Seconds until an attempt is allowed; 0 when one is allowed now.
    pub fn wait(&self, now: Timestamp) -> f64 {
        self.closed_at.since(now).max(0.0)
    }

    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1000.0);

    #[test]
    fn each_failure_in_a_row_doubles_the_wait_up_to_the_limit() {
        let mut backoff = Backoff::new(1.0, 10.0);
        let mut waits = Vec::new();
        for _ in 0..6 {
            backoff.failed(NOW, 1.0);
            waits.push(backoff.wait(NOW));
        }
        assert_eq!(waits, [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]);
    }

    #[test]
    fn chance_spreads_over_the_upper_half_of_the_period() {
        let mut backoff = Backoff::new(4.0, 10.0);
        backoff.failed(NOW, 0.0);
        assert!((backoff.wait(NOW) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_success_allows_the_next_attempt_at_once() {
        let mut backoff = Backoff::new(1.0, 10.0);
        backoff.failed(NOW, 1.0);
        backoff.succeeded();
        assert_eq!((backoff.wait(NOW), backoff.failures()), (0.0, 0));
    }

    #[test]
    fn waiting_ends_with_time_and_never_overflows() {
        let mut backoff = Backoff::new(1.0, 30.0);
        for _ in 0..10_000 {
            backoff.failed(NOW, 0.5);
        }
        assert!(backoff.wait(NOW) <= 30.0);
        assert!(backoff.wait(NOW.plus(31.0)) <= 0.0);
    }
}
