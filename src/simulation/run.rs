//! A load, a world and a policy: what comes of it.

use super::cluster::{Cluster, Conditions};
use super::outcome::Outcome;
use super::policy::{Policy, act};
use super::trace::{Millis, Trace};

/// Decisions within one instant at most, where each changes something.
const SETTLES: u32 = 4;
/// After the last task the world goes on until it is at rest, but no longer than this.
const REST: Millis = 3_600_000;
/// Beyond one slot's time for all the work: a policy that has not finished then never will.
const PATIENCE: Millis = 4 * 3_600_000;

/// How the world looked when a decision had been carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub at: Millis,
    pub ready: u32,
    pub in_flight: u32,
    pub wanted: u32,
    /// Asked for: `spec.replicas`.
    pub replicas: u32,
    /// There, those that boot, drain or terminate included.
    pub workers: u32,
}

/// Runs the load to its end and until no worker is left, deciding every `interval`.
pub fn run(trace: &Trace, conditions: Conditions, interval: Millis, policy: &mut dyn Policy) -> Outcome {
    let interval = interval.max(1);
    let conditions = Conditions { slots: policy.slots(), ..conditions };
    let mut cluster = Cluster::new(&trace.tasks, conditions);
    let hopeless = trace.length() + trace.work() + PATIENCE;
    let mut moments = Vec::new();
    let mut tick = 0;
    while tick <= hopeless {
        cluster.run_until(tick);
        let moment = settle(&mut cluster, policy);
        moments.push(moment);
        let rested = cluster.pods().is_empty() && moment.replicas == 0;
        if cluster.done() && (rested || tick > cluster.record().last_finished + REST) {
            break;
        }
        tick += interval;
    }
    Outcome::new(trace, &cluster, moments)
}

/// Decides, acts, and decides again while acting changed something in the same instant: a worker that holds
/// nothing is drained as soon as it is asked.
fn settle(cluster: &mut Cluster<'_>, policy: &mut dyn Policy) -> Moment {
    let mut decided = policy.decide(cluster);
    let mut replicas = None;
    for _ in 1..SETTLES {
        let news = act(cluster, &decided.orders);
        if !policy.woken_by_changes() || !(news || replicas.is_some_and(|before| before != decided.replicas)) {
            break;
        }
        replicas = Some(decided.replicas);
        decided = policy.decide(cluster);
    }
    Moment {
        at: cluster.now(),
        ready: cluster.queue().len() as u32,
        in_flight: cluster.in_flight(),
        wanted: decided.wanted,
        replicas: decided.replicas,
        workers: cluster.pods().len() as u32,
    }
}
