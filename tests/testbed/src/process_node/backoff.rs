//! When a container that ended may start again, by the kubelet's rule.

use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(300);

/// A container that ran this long is healthy again: its next crash counts as the first.
const FORGIVEN_AFTER: Duration = Duration::from_secs(600);

/// The first restart is at once, the next waits `base`, and every further one twice as long, up to five minutes.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    crashes: u32,
}

impl Backoff {
    pub fn new(base: Duration) -> Self {
        Self { base, crashes: 0 }
    }

    /// How long to wait after a run that lasted `ran`.
    pub fn after_run(&mut self, ran: Duration) -> Duration {
        if ran >= FORGIVEN_AFTER {
            self.crashes = 0;
        }
        let wait = match self.crashes {
            0 => Duration::ZERO,
            crashes => self.base.saturating_mul(1 << (crashes - 1).min(16)).min(LONGEST),
        };
        self.crashes += 1;
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(backoff: &mut Backoff, ran: u64) -> u64 {
        backoff.after_run(Duration::from_secs(ran)).as_secs()
    }

    #[test]
    fn waits_double_from_the_base_to_five_minutes() {
        let mut backoff = Backoff::new(Duration::from_secs(10));
        let waits: Vec<u64> = (0..9).map(|_| seconds(&mut backoff, 1)).collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300, 300]);
    }

    #[test]
    fn a_long_run_is_forgiven() {
        let mut backoff = Backoff::new(Duration::from_secs(10));
        for _ in 0..5 {
            seconds(&mut backoff, 1);
        }
        assert_eq!(seconds(&mut backoff, 600), 0);
        assert_eq!(seconds(&mut backoff, 1), 10);
    }
}
