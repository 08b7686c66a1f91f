//! Which workers go when there are too many.

use std::cmp::Ordering;

use super::fleet::{Fleet, Role};
use super::observation::WorkerPhase;

/// A way to need fewer workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shed {
    /// Asked for and not created yet: need not be.
    pub absent: u32,
    /// Indices of active workers that should go, in order.
    pub members: Vec<usize>,
}

impl Shed {
    pub fn count(&self) -> u32 {
        self.absent.saturating_add(self.members.len() as u32)
    }
}

/// Active workers in the order in which they should go: those where no container runs yet, those
/// seen idle, then fewest in flight, and last those whose load is not to be seen.
///
/// Among equals: one whose deletion cost is lowered already (it spares a write), then the oldest.
/// Idle ones that are not ready come before idle ones that are, as in the ReplicaSet's own order.
pub fn order<'f>(fleet: &'f Fleet<'_>) -> &'f [usize] {
    fleet.victims.get_or_init(|| {
        let mut ranked: Vec<(Rank, usize)> =
            fleet.with_role(Role::Active).map(|(index, _)| (rank(fleet, index), index)).collect();
        ranked.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| among_equals(fleet, a.1, b.1)));
        ranked.into_iter().map(|(_, index)| index).collect()
    })
}

fn among_equals(fleet: &Fleet<'_>, a: usize, b: usize) -> Ordering {
    let (left, right) = (&fleet.workers[a], &fleet.workers[b]);
    left.deletion_cost
        .cmp(&right.deletion_cost)
        .then(left.created.0.total_cmp(&right.created.0))
        .then_with(|| left.name.cmp(&right.name))
}

/// (class, what decides within it)
type Rank = (u8, u32);

fn rank(fleet: &Fleet<'_>, index: usize) -> Rank {
    let (worker, load) = (&fleet.workers[index], fleet.members[index].load);
    match load.held {
        _ if load.idle && worker.phase <= WorkerPhase::Pending => (0, worker.phase as u32),
        _ if load.idle => (1, worker.phase as u32),
        Some(held) => (2, held),
        None => (3, 0),
    }
}

/// As many workers as can go while `keep` slots stay, in victim order; those whose slots are still
/// needed are passed over.
pub fn spare(fleet: &Fleet<'_>, keep: f64) -> Shed {
    let mut left = fleet.slots() - keep;
    let each = f64::from(fleet.prefetch.max(1));
    let absent = (left / each).floor().clamp(0.0, f64::from(fleet.absent));
    left -= absent * each;
    let mut shed = Shed { absent: absent as u32, members: Vec::new() };
    if !fleet.with_role(Role::Active).any(|(_, member)| f64::from(member.slots) <= left) {
        return shed;
    }
    for &index in order(fleet) {
        let slots = f64::from(fleet.members[index].slots);
        if slots <= left {
            left -= slots;
            shed.members.push(index);
        }
    }
    shed
}

/// Exactly `count` workers (as far as there are so many): those of `spare` first, then in victim
/// order.
pub fn shed(fleet: &Fleet<'_>, spare: &Shed, count: u32) -> Shed {
    let mut absent = spare.absent.min(count);
    let mut members: Vec<usize> = spare.members.iter().copied().take((count - absent) as usize).collect();
    let mut missing = count - absent - members.len() as u32;
    let more = missing.min(fleet.absent - absent);
    absent += more;
    missing -= more;
    let rest = order(fleet).iter().copied().filter(|index| !spare.members.contains(index));
    members.extend(rest.take(missing as usize));
    Shed { absent, members }
}
