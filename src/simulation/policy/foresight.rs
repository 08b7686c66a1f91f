//! One who knows how long every task will take: how far below the law could anybody get?

use super::{Decided, Order, Policy, active};
use crate::simulation::cluster::{Cluster, Mode, Pod};
use crate::simulation::trace::Millis;

/// The same promise, the same window, the same start-up time; but it knows when each task at work ends and how
/// long each queued one will take: to forecast free slots, to choose who goes, and who resumes.
pub struct Foresight {
    pool: Known,
    recommended: Vec<(Millis, i64)>,
}

/// What it knows of the pool besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// P
    pub slots: u32,
    pub least: u32,
    /// Workers at most, those that drain included.
    pub most: u32,
    /// b
    pub startup: Millis,
    /// D
    pub start_within: Millis,
    /// T
    pub interval: Millis,
    /// The maximum recommendation of this long is kept.
    pub window: Millis,
}

impl Foresight {
    pub fn new(pool: Known) -> Self {
        Self { pool, recommended: Vec::new() }
    }

    /// Slots short: task j is short of one if fewer than j slots are free, or will be by the last moment at which
    /// a new worker would still be in time.
    fn short(&self, cluster: &Cluster<'_>, active: &[&Pod]) -> i64 {
        let now = cluster.now();
        let slots = signed(active.len()) * i64::from(self.pool.slots);
        let mut ends: Vec<Millis> = active.iter().flat_map(|pod| pod.running.iter().map(|r| r.ends)).collect();
        ends.sort_unstable();
        let idle = slots - signed(ends.len());
        let mut short = -idle;
        for (index, task) in cluster.queue().enumerate() {
            let until =
                (task.arrives + self.pool.start_within).saturating_sub(self.pool.interval + self.pool.startup).max(now);
            let freed = signed(ends.partition_point(|end| *end <= until));
            short = short.max(signed(index) + 1 - idle - freed);
        }
        short
    }
}

impl Policy for Foresight {
    fn decide(&mut self, cluster: &Cluster<'_>) -> Decided {
        let now = cluster.now();
        let mut active = active(cluster);
        let slots = i64::from(self.pool.slots);
        let c0 = signed(active.len()) * slots;
        let n: i64 = active.iter().map(|pod| i64::from(pod.in_flight())).sum();
        let ready = signed(cluster.queue().len());
        let short = self.short(cluster, &active);
        let demand = (c0 + short.max(0)).min(n + ready).max(n);
        self.recommended.retain(|(at, _)| now - at < self.pool.window);
        self.recommended.push((now, demand));
        let kept = self.recommended.iter().map(|(_, slots)| *slots).max().unwrap_or(demand);
        let mut draining: Vec<&Pod> = cluster.pods().iter().filter(|pod| pod.mode == Mode::Draining).collect();
        draining.sort_by_key(|pod| (std::cmp::Reverse(pod.ends()), pod.id));

        let mut orders = Vec::new();
        let mut missing = if short > 0 { short } else { ready - (c0 - n) };
        for pod in &draining {
            if missing <= 0 {
                break;
            }
            missing -= slots - i64::from(pod.in_flight());
            orders.push(Order::Resume(pod.id));
        }
        let wanted = ((demand + slots - 1) / slots) as u32;
        let mut replicas = cluster.pods().len() as u32;
        if short > 0 && missing > 0 {
            let new = (((missing + slots - 1) / slots) as u32).min(self.pool.most.saturating_sub(replicas));
            replicas += new;
            orders.push(Order::Create(new));
        } else if orders.is_empty() {
            let least = i64::from(self.pool.least);
            let spare = ((c0 - kept) / slots).min(signed(active.len()) - least).max(0);
            active.sort_by_key(|pod| (pod.ready.is_some(), pod.ends(), pod.id));
            orders.extend(active.iter().take(spare as usize).map(|pod| Order::DrainAndLeave(pod.id)));
        }
        Decided { wanted, replicas, orders }
    }

    fn slots(&self) -> u32 {
        self.pool.slots
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
