//! What all identities on one broker (host and port) share, so that its load is bounded however many
//! vhosts, logins and pools there are.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use crate::brokers::metrics::Requests;
use crate::clock::Clock;
use crate::scaling::time::Timestamp;

/// What one broker may be asked in all.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Passive declares: pipelined, a thousand cost the broker 2 to 4 % of a core.
    pub looks_per_second: f64,
    /// To the management API: it is the dear one.
    pub requests_per_second: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { looks_per_second: 1000.0, requests_per_second: 2.0 }
    }
}

/// Seconds of a budget that may be spent at once.
const BURST: f64 = 0.1;

/// The same for requests: lists of several kinds belong together.
const REQUESTS_BURST: f64 = 2.0;

/// Seconds between two looks at a queue on a broker with few queues.
const PERIOD: f64 = 1.0;

#[derive(Debug)]
pub struct Load {
    /// Watched on this broker.
    queues: AtomicUsize,
    looks_per_second: f64,
    looks: Mutex<Budget>,
    requests: Mutex<Budget>,
    spent: Arc<Requests>,
}

impl Load {
    /// `spent` counts for people.
    pub fn new(limits: Limits, spent: Arc<Requests>) -> Self {
        let looks_per_second = limits.looks_per_second.max(1.0);
        Self {
            queues: AtomicUsize::new(0),
            looks_per_second,
            looks: Mutex::new(Budget::new(looks_per_second, BURST)),
            requests: Mutex::new(Budget::new(limits.requests_per_second.max(0.1), REQUESTS_BURST)),
            spent,
        }
    }

    pub fn add_queue(&self) {
        self.queues.fetch_add(1, Ordering::Relaxed);
    }

    pub fn remove_queue(&self) {
        self.queues.fetch_sub(1, Ordering::Relaxed);
    }

    /// Seconds between two looks at a queue: as many as the budget demands.
    pub fn period(&self) -> f64 {
        (self.queues.load(Ordering::Relaxed) as f64 / self.looks_per_second).max(PERIOD)
    }

    /// Most looks to send before the answers to them are awaited.
    pub fn batch(&self) -> usize {
        ((self.looks_per_second * BURST) as usize).max(1)
    }

    /// Waits until so many looks are within the budget, and counts them.
    pub async fn turn_to_look(&self, count: usize, clock: Clock) {
        self.spent.rabbitmq_looks.fetch_add(count as u64, Ordering::Relaxed);
        turn(&self.looks, count, clock).await;
    }

    /// The same for one request to the management API.
    pub async fn turn_to_ask(&self, clock: Clock) {
        self.spent.rabbitmq_requests.fetch_add(1, Ordering::Relaxed);
        turn(&self.requests, 1, clock).await;
    }
}

async fn turn(budget: &Mutex<Budget>, count: usize, clock: Clock) {
    let wait = budget.lock().unwrap_or_else(PoisonError::into_inner).spend(count, clock.now());
    if wait > 0.0 {
        sleep(Duration::from_secs_f64(wait)).await;
    }
}

/// So many per second, in the order in which they are asked for. Time is an argument.
#[derive(Debug)]
struct Budget {
    per_second: f64,
    burst: f64,
    /// Until when everything is spent.
    spent_until: Timestamp,
}

impl Budget {
    fn new(per_second: f64, burst: f64) -> Self {
        Self { per_second, burst, spent_until: Timestamp::default() }
    }

    /// Seconds to wait before `count` may be done.
    fn spend(&mut self, count: usize, now: Timestamp) -> f64 {
        let from = self.spent_until.0.max(now.0 - self.burst);
        self.spent_until = Timestamp(from + count as f64 / self.per_second);
        (from - now.0).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(100.0);

    #[test]
    fn a_budget_is_spent_in_order_and_never_saved_up_for_longer_than_the_burst() {
        let mut budget = Budget::new(100.0, 0.1);
        let waits: Vec<f64> = (0..4).map(|_| (budget.spend(10, NOW) * 1000.0).round()).collect();
        assert_eq!(waits, [0.0, 0.0, 100.0, 200.0]);
        assert!(budget.spend(10, NOW.plus(60.0)) <= 0.0);
        assert!(budget.spend(10, NOW.plus(60.0)) <= 0.0);
        assert!(budget.spend(10, NOW.plus(60.0)) > 0.09, "a quiet minute saves up nothing");
    }

    #[test]
    fn the_period_grows_with_the_queues_beyond_the_budget() {
        let load = Load::new(Limits::default(), Arc::default());
        (0..1000).for_each(|_| load.add_queue());
        assert!((load.period() - 1.0).abs() < 1e-9);
        (0..4000).for_each(|_| load.add_queue());
        assert!((load.period() - 5.0).abs() < 1e-9);
        assert_eq!(load.batch(), 100);
    }
}
