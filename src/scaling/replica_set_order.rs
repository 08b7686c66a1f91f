//! The ReplicaSet's own choice of victims, as a pure function.
//!
//! When replicas are lowered, the ReplicaSet controller sorts its active pods and deletes from the
//! front (Kubernetes 1.37, `pkg/controller/controller_utils.go`, `ActivePodsWithRanks`):
//!
//! 1. not assigned to a node before assigned
//! 2. phase Pending before Running
//! 3. not ready before ready
//! 4. lower `controller.kubernetes.io/pod-deletion-cost` before higher
//! 5. on a node with more pods of the same owner before fewer
//! 6. both ready: shorter ready before longer, in powers of two of the age
//! 7. more container restarts before fewer
//! 8. newer before older, in powers of two of the age
//!
//! Equal by 6 or 8, the pod's UID decides, that is chance.
//!
//! Deletion cost comes fourth: a busy pod that is not ready goes before any idle one that is, and
//! nothing that we write changes that. So before lowering, [`safe_to_lower`] asks how far this
//! order agrees with what we want.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::observation::{Worker, WorkerPhase};
use super::time::Timestamp;

/// Deletion cost of a worker that may go now.
pub const VICTIM_COST: i32 = -100;
/// Deletion cost of a worker that drains and still holds tasks: after every victim, before the rest.
pub const DRAINING_COST: i32 = -50;

/// Indices of `workers` in the order in which the ReplicaSet would delete them; terminating ones
/// are not active and not among them. What is chance there goes by name here.
pub fn order(workers: &[Worker], now: Timestamp) -> Vec<usize> {
    let ranks = ranks(workers);
    let mut order: Vec<usize> = active(workers).collect();
    order.sort_by(|&a, &b| {
        let (left, right) = (&workers[a], &workers[b]);
        certain(left, left.deletion_cost, ranks[a], right, right.deletion_cost, ranks[b])
            .then_with(|| later_rules(left, right, now))
            .then_with(|| left.name.cmp(&right.name))
    });
    order
}

/// By how many replicas can be lowered so that only workers of `may_go` go, once those carry
/// [`VICTIM_COST`] and the others what they carry now.
///
/// Rules 6 to 8 depend on the controller's clock, on rounding and on chance: between pods that the
/// first five do not tell apart, one that must stay is taken to go first.
pub fn safe_to_lower(workers: &[Worker], may_go: &[bool]) -> usize {
    if !may_go.contains(&true) {
        return 0;
    }
    let ranks = ranks(workers);
    let cost = |index: usize| if may_go[index] { VICTIM_COST } else { workers[index].deletion_cost };
    let mut order: Vec<usize> = active(workers).collect();
    order.sort_by(|&a, &b| {
        certain(&workers[a], cost(a), ranks[a], &workers[b], cost(b), ranks[b]).then_with(|| may_go[a].cmp(&may_go[b]))
    });
    order.iter().take_while(|&&index| may_go[index]).count()
}

fn active(workers: &[Worker]) -> impl Iterator<Item = usize> + '_ {
    (0..workers.len()).filter(|&index| workers[index].phase != WorkerPhase::Terminating)
}

/// Rules 1 to 5.
fn certain(a: &Worker, cost_a: i32, rank_a: usize, b: &Worker, cost_b: i32, rank_b: usize) -> Ordering {
    // `WorkerPhase` is declared in the order of rules 1 to 3.
    a.phase.cmp(&b.phase).then(cost_a.cmp(&cost_b)).then(rank_b.cmp(&rank_a))
}

/// Rules 6 to 8.
fn later_rules(a: &Worker, b: &Worker, now: Timestamp) -> Ordering {
    let ready = match (a.phase, b.phase, a.first_ready, b.first_ready) {
        (WorkerPhase::Ready, WorkerPhase::Ready, Some(a), Some(b)) => magnitude(a, now).cmp(&magnitude(b, now)),
        _ => Ordering::Equal,
    };
    ready.then(b.restarts.cmp(&a.restarts)).then_with(|| magnitude(a.created, now).cmp(&magnitude(b.created, now)))
}

/// The age's power of two, in nanoseconds as the controller counts it; −1 for no age.
fn magnitude(at: Timestamp, now: Timestamp) -> i64 {
    let nanoseconds = now.since(at) * 1e9;
    if nanoseconds > 0.0 { nanoseconds.log2() as i64 } else { -1 }
}

/// For each worker the number of active ones on its node, whatever ReplicaSet of the Deployment
/// they belong to. Pods without a node count as on one.
fn ranks(workers: &[Worker]) -> Vec<usize> {
    let mut on_node: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for index in active(workers) {
        *on_node.entry(workers[index].node.as_deref()).or_default() += 1;
    }
    workers.iter().map(|worker| on_node.get(&worker.node.as_deref()).copied().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::tests::fixtures::worker;

    const NOW: Timestamp = Timestamp(10_000.0);

    fn names(workers: &[Worker]) -> Vec<&str> {
        order(workers, NOW).into_iter().map(|index| workers[index].name.as_str()).collect()
    }

    #[test]
    fn each_rule_decides_only_where_those_before_it_do_not() {
        let at = |seconds| Timestamp(10_000.0 - seconds);
        let on = |name: &str, node: &str| Worker { node: Some(node.to_owned()), ..worker(name) };
        let workers = [
            Worker { created: at(5000.0), first_ready: Some(at(4000.0)), ..on("old", "three") },
            Worker { created: at(500.0), first_ready: Some(at(4000.0)), ..on("newer", "four") },
            Worker { restarts: 3, first_ready: Some(at(4000.0)), ..on("restarted", "five") },
            Worker { first_ready: Some(at(100.0)), ..on("ready late", "six") },
            on("crowded", "one"),
            Worker { deletion_cost: 5, ..on("dear", "one") },
            Worker { deletion_cost: -100, ..on("cheap", "two") },
            Worker { phase: WorkerPhase::NotReady, deletion_cost: 9, ..on("not ready", "seven") },
            Worker { phase: WorkerPhase::Pending, ..on("pending", "eight") },
            Worker { phase: WorkerPhase::Unassigned, node: None, ..worker("unassigned") },
            Worker { phase: WorkerPhase::Terminating, ..on("leaving", "one") },
        ];
        let expected = [
            "unassigned",
            "pending",
            "not ready",
            "cheap",
            "crowded",
            "ready late",
            "restarted",
            "newer",
            "old",
            "dear",
        ];
        assert_eq!(names(&workers), expected);
    }

    #[test]
    fn lowering_is_safe_up_to_the_first_that_must_stay() {
        let not_ready = Worker { phase: WorkerPhase::NotReady, ..worker("busy, not ready") };
        assert_eq!(safe_to_lower(&[worker("a"), worker("b"), worker("busy")], &[true, true, false]), 2);
        assert_eq!(safe_to_lower(&[worker("a"), not_ready], &[true, false]), 0);
        let leftover = Worker { deletion_cost: -500, ..worker("busy, marked long ago") };
        assert_eq!(safe_to_lower(&[worker("a"), leftover], &[true, false]), 0);
        let marked = Worker { deletion_cost: VICTIM_COST, ..worker("busy, marked like the victims") };
        assert_eq!(safe_to_lower(&[worker("a"), marked], &[true, false]), 0);
        let draining = Worker { deletion_cost: DRAINING_COST, ..worker("draining") };
        assert_eq!(safe_to_lower(&[draining, worker("drained")], &[false, true]), 1);
    }
}
