//! From the number granted to the number applied: who resumes, who is created, who may go now.

use super::decision::Draining;
use super::fleet::{Fleet, Role};
use super::observation::{WorkerPhase, WorkerState};
use super::plan::Plan;
use super::replica_set_order;
use super::settings::DrainSupport;
use super::state::{Order, Remembered};
use super::time::Timestamp;
use super::victims::{self, Shed};

/// Seconds from one worker that may be busy to the next, where SIGTERM is the drain: counts of SQS may be
/// a minute old, and show by then what the last one left to the others.
pub const STEP: f64 = 60.0;

/// How workers may be made to go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub support: DrainSupport,
    /// Seconds after which a busy worker that should go is mentioned.
    pub timeout: f64,
    pub may_lower: bool,
    /// When a worker that may have been busy was last made to go.
    pub stepped: Option<Timestamp>,
}

/// What to do to the workers.
#[derive(Clone, Debug, Default)]
pub(super) struct Applied {
    pub replicas: u32,
    pub victims: Vec<String>,
    pub draining: Vec<Draining>,
    pub drain: Vec<String>,
    pub resume: Vec<String>,
    /// Workers that should have gone and hold up the lowering, or stand before others in the
    /// ReplicaSet's order.
    pub waiting: u32,
    pub overdue: bool,
    /// A worker that may be busy is made to go, and finishes what it has.
    pub stepped: bool,
}

/// Turns `plan.granted` into the one number ever written, and remembers orders given.
pub(super) fn apply(known: &mut [Remembered], fleet: &Fleet<'_>, plan: &Plan, pace: Pace, now: Timestamp) -> Applied {
    let Pace { support, timeout, may_lower, .. } = pace;
    let active = fleet.active();
    let more = plan.granted.saturating_sub(active);
    let resumed = match support {
        DrainSupport::IdleOnly | DrainSupport::Sigterm => Vec::new(),
        DrainSupport::Protocol => fleet.resumable().into_iter().take(more as usize).collect(),
    };
    let created = more - resumed.len() as u32;
    let shed =
        if plan.granted < active { victims::shed(fleet, &plan.spare, active - plan.granted) } else { Shed::default() };

    let should_go = should_go(fleet, &shed, &resumed);
    let mut may_go: Vec<bool> =
        (0..fleet.members.len()).map(|i| should_go.contains(&i) && may_go(fleet, i, support)).collect();
    let stepped = step(&should_go, &may_go, pace, now);
    if let Some(index) = stepped {
        may_go[index] = true;
    }
    let lowered = if may_lower { lowered(fleet, &shed, &may_go) } else { 0 };
    let mut applied = Applied {
        replicas: if created > 0 { fleet.desired.saturating_add(created) } else { fleet.desired - lowered },
        resume: resumed.iter().map(|&index| fleet.workers[index].name.clone()).collect(),
        waiting: shed.count() + (should_go.len() - shed.members.len()) as u32 - lowered,
        stepped: stepped.is_some() && lowered > shed.absent,
        ..Applied::default()
    };
    let mut orders = vec![None; fleet.members.len()];
    for &index in &resumed {
        orders[index] = Some(Order::Resume);
    }
    for &index in &should_go {
        if may_go[index] {
            known[index].leaving.get_or_insert(now);
            if may_lower && !fleet.rollout && !is_choosing(fleet) {
                applied.victims.push(fleet.workers[index].name.clone());
            }
        } else if support != DrainSupport::Sigterm {
            let since = note_draining(known, fleet, index, &mut applied, now);
            applied.overdue |= now.since(since) > timeout;
        }
        if can_drain(fleet, index, support) {
            orders[index] = Some(Order::Drain);
            applied.drain.push(fleet.workers[index].name.clone());
        }
    }
    keep_marks(fleet, &mut applied);
    remember_orders(known, &should_go, &orders, now);
    applied
}

/// Replicas are lowered and the ReplicaSet has not chosen yet: without its mark, it would take another than the one
/// that was found idle.
fn keep_marks(fleet: &Fleet<'_>, applied: &mut Applied) {
    let chosen = fleet.with_role(Role::Leaving).map(|(index, _)| &fleet.workers[index]);
    let marked = chosen.filter(|worker| {
        worker.phase != WorkerPhase::Terminating && worker.deletion_cost == replica_set_order::VICTIM_COST
    });
    applied.victims.extend(marked.map(|worker| worker.name.clone()));
}

/// Nothing is lowered and nobody new drains; who drains already goes on.
pub(super) fn hold(
    known: &mut [Remembered],
    fleet: &Fleet<'_>,
    replicas: u32,
    support: DrainSupport,
    now: Timestamp,
) -> Applied {
    let draining: Vec<usize> = fleet.with_role(Role::Draining).map(|(index, _)| index).collect();
    let mut applied = Applied { replicas, ..Applied::default() };
    let mut orders = vec![None; fleet.members.len()];
    for &index in &draining {
        note_draining(known, fleet, index, &mut applied, now);
        if can_drain(fleet, index, support) {
            orders[index] = Some(Order::Drain);
            applied.drain.push(fleet.workers[index].name.clone());
        }
    }
    keep_marks(fleet, &mut applied);
    remember_orders(known, &draining, &orders, now);
    applied
}

fn note_draining(
    known: &mut [Remembered],
    fleet: &Fleet<'_>,
    index: usize,
    applied: &mut Applied,
    now: Timestamp,
) -> Timestamp {
    let since = *known[index].leaving.get_or_insert(now);
    let worker = fleet.workers[index].name.clone();
    applied.draining.push(Draining { worker, in_flight: fleet.members[index].load.held, since });
    since
}

/// Those chosen to go now, then those that drain since earlier and are not resumed.
fn should_go(fleet: &Fleet<'_>, shed: &Shed, resumed: &[usize]) -> Vec<usize> {
    let draining = fleet.with_role(Role::Draining).map(|(index, _)| index).filter(|index| !resumed.contains(index));
    shed.members.iter().copied().chain(draining).collect()
}

/// Whether a worker that should go can go without interrupting anything.
fn may_go(fleet: &Fleet<'_>, index: usize, support: DrainSupport) -> bool {
    let load = fleet.members[index].load;
    if can_drain(fleet, index, support) {
        let drained = fleet.workers[index].report.as_ref().is_some_and(|report| report.state == WorkerState::Drained);
        return drained && load.held == Some(0);
    }
    load.idle
}

/// The one worker that goes though it may be busy, because its own SIGTERM handling is the drain: one at
/// a time, none beside others that are known to be idle, and none while one is about to go.
fn step(should_go: &[usize], may_go: &[bool], pace: Pace, now: Timestamp) -> Option<usize> {
    let due = pace.stepped.is_none_or(|at| now.since(at) >= STEP);
    if pace.support != DrainSupport::Sigterm || !pace.may_lower || !due || may_go.contains(&true) {
        return None;
    }
    should_go.first().copied()
}

/// It understands draining, and there is something to drain.
fn can_drain(fleet: &Fleet<'_>, index: usize, support: DrainSupport) -> bool {
    let worker = &fleet.workers[index];
    support == DrainSupport::Protocol && worker.report.is_some() && worker.phase > WorkerPhase::Pending
}

/// Replicas are lowered and the ReplicaSet has not chosen yet. A worker that is marked now could go in the place of one
/// that was seen to hold nothing.
fn is_choosing(fleet: &Fleet<'_>) -> bool {
    fleet.with_role(Role::Leaving).any(|(index, _)| fleet.workers[index].phase != WorkerPhase::Terminating)
}

/// By how many replicas can be lowered now.
fn lowered(fleet: &Fleet<'_>, shed: &Shed, may_go: &[bool]) -> u32 {
    if fleet.rollout {
        return 0;
    }
    // While the ReplicaSet still deletes, or pods are still to be created, its next choice would
    // not be the one computed here.
    if is_choosing(fleet) || shed.absent < fleet.absent {
        return shed.absent;
    }
    shed.absent + replica_set_order::safe_to_lower(fleet.workers, may_go) as u32
}

/// Keeps what was asked of each worker; an order that is not repeated lapses, but for a resume that
/// the worker has not answered yet.
fn remember_orders(known: &mut [Remembered], should_go: &[usize], orders: &[Option<Order>], now: Timestamp) {
    for (index, remembered) in known.iter_mut().enumerate() {
        if remembered.leaving.is_some() && !should_go.contains(&index) {
            remembered.leaving = None;
        }
        remembered.order = match orders[index] {
            Some(order) => Some((order, now)),
            None => remembered.order.filter(|(order, _)| *order == Order::Resume),
        };
    }
}
