//! What others do: a number of workers from a formula, the maximum of a window, and SIGTERM or draining for those
//! that are too many.

use std::collections::VecDeque;

use super::{Decided, Order, Policy, active};
use crate::simulation::cluster::{Cluster, Mode, Pod};
use crate::simulation::random::Random;
use crate::simulation::trace::{Millis, seconds};

/// How many workers there should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Formula {
    /// `(ready + unacked) / messages`: KEDA's RabbitMQ scaler and the HPA below it.
    Messages { per_pod: f64 },
    /// `λ · S / (P · utilisation)`: arrivals of the last two minutes times S, the mean duration of a task, over the
    /// slots of a worker, so that this share of them is busy. What waits plays no part, but that a queue with tasks
    /// has a worker.
    Rate { utilisation: f64, task_duration: f64 },
}

/// How workers stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM to anyone, and SIGKILL when the grace period has passed: a Deployment scaled by an HPA.
    Kill { seed: u64 },
    /// Fewest in flight first; it takes no more tasks and leaves when it has finished. Nobody resumes.
    Drain,
}

/// A policy of the shape that HPA and KEDA have.
pub struct Shape {
    formula: Formula,
    stop: Stop,
    slots: u32,
    least: u32,
    most: u32,
    window: Millis,
    recommended: VecDeque<(Millis, u32)>,
    random: Random,
    arrivals: VecDeque<(Millis, usize)>,
}

/// λ looks back this long: `rate(…[2m])`.
const RATE_OVER: Millis = 120_000;

impl Shape {
    /// A pool of workers with so many slots each, of `least` to `most` workers (those that drain or terminate
    /// included), scaled by the maximum recommendation of the last `window`.
    pub fn new(formula: Formula, stop: Stop, slots: u32, (least, most): (u32, u32), window: Millis) -> Self {
        let seed = match stop {
            Stop::Kill { seed } => seed,
            Stop::Drain => 0,
        };
        Self {
            formula,
            stop,
            slots,
            least,
            most,
            window,
            recommended: VecDeque::new(),
            random: Random::new(seed),
            arrivals: VecDeque::new(),
        }
    }

    fn recommendation(&mut self, cluster: &Cluster<'_>) -> u32 {
        let held = cluster.queue().len() as f64 + f64::from(cluster.in_flight());
        let workers = match self.formula {
            Formula::Messages { per_pod } => held / per_pod,
            Formula::Rate { utilisation, task_duration } => {
                let per_second = self.rate(cluster);
                let workers = per_second * task_duration / (f64::from(self.slots) * utilisation);
                if held > 0.0 { workers.max(1.0) } else { workers }
            }
        };
        (workers - 1e-9).ceil().max(0.0) as u32
    }

    fn rate(&mut self, cluster: &Cluster<'_>) -> f64 {
        let now = cluster.now();
        self.arrivals.push_back((now, cluster.arrived()));
        while self.arrivals.get(1).is_some_and(|(at, _)| now - at >= RATE_OVER) {
            self.arrivals.pop_front();
        }
        let (since, before) = self.arrivals.front().copied().unwrap_or((now, 0));
        (cluster.arrived() - before) as f64 / seconds(now - since).max(seconds(RATE_OVER))
    }

    /// The maximum of the window.
    fn stabilised(&mut self, recommended: u32, now: Millis) -> u32 {
        while self.recommended.front().is_some_and(|(at, _)| now - at > self.window) {
            self.recommended.pop_front();
        }
        while self.recommended.back().is_some_and(|(_, most)| *most <= recommended) {
            self.recommended.pop_back();
        }
        self.recommended.push_back((now, recommended));
        self.recommended.front().map_or(recommended, |(_, most)| *most)
    }

    fn stop(&mut self, mut active: Vec<&Pod>, count: usize) -> Vec<Order> {
        let mut orders = Vec::new();
        if self.stop == Stop::Drain {
            active.sort_by_key(|pod| (pod.ready.is_some(), pod.in_flight(), pod.id));
            orders.extend(active.iter().take(count).map(|pod| Order::DrainAndLeave(pod.id)));
            return orders;
        }
        for _ in 0..count.min(active.len()) {
            let victim = active.swap_remove(self.random.index(active.len()));
            orders.push(Order::Terminate(victim.id));
        }
        orders
    }
}

impl Policy for Shape {
    fn decide(&mut self, cluster: &Cluster<'_>) -> Decided {
        let recommended = self.recommendation(cluster);
        let wanted = self.stabilised(recommended, cluster.now()).clamp(self.least, self.most);
        let active = active(cluster);
        let count = active.len() as u32;
        let leaving = cluster.pods().iter().filter(|pod| pod.mode != Mode::Active).count() as u32;
        let orders = if wanted > count {
            vec![Order::Create((wanted - count).min(self.most.saturating_sub(count + leaving)))]
        } else {
            self.stop(active, (count - wanted) as usize)
        };
        Decided { wanted: recommended, replicas: wanted, orders }
    }

    fn slots(&self) -> u32 {
        self.slots
    }
}
