//! From demand to a number of workers: the law, the window and the caps, each with its step.

use super::caps::{self, Ceiling};
use super::decision::{Bound, Step};
use super::fleet::Fleet;
use super::law::Demand;
use super::settings::Settings;
use super::victims::{self, Shed};

/// How many workers should take tasks, and how that number came about.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The law's own number, before window and caps.
    pub wanted: u32,
    /// After all of them.
    pub granted: u32,
    pub bound: Bound,
    pub steps: Vec<Step>,
    /// A cap keeps the number below what the law wants.
    pub limited: bool,
    /// Who could be spared while the slots that are wanted stay.
    pub spare: Shed,
}

/// What the plan is made from, besides settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub demand: Demand,
    /// n
    pub in_flight: f64,
    /// B
    pub ready: f64,
    /// The window's maximum, slots.
    pub window: f64,
    /// Draining workers that can be resumed.
    pub resumable: u32,
    /// Slots that message groups keep busy; `None` = tasks have none.
    pub groups: Option<f64>,
}

impl Plan {
    fn starting_at(step: &'static str, wanted: u32, detail: String) -> Self {
        // Most decisions have no more steps.
        let mut steps = Vec::with_capacity(4);
        steps.push(Step { name: step, replicas: wanted, detail });
        Self { wanted, granted: wanted, bound: Bound::Demand, steps, limited: false, spare: Shed::default() }
    }

    /// The number as it stands.
    pub fn hold(active: u32, bound: Bound, detail: String) -> Self {
        Self { bound, ..Self::starting_at("hold", active, detail) }
    }

    /// A person says how many: the law is only shown.
    pub fn hold_at(&mut self, replicas: u32) {
        self.granted = replicas;
        self.bound = Bound::ManualHold;
        self.limited = false;
        let detail = format!("held at {replicas} by hand until `awp release`");
        self.steps.push(Step { name: "hold", replicas, detail });
    }

    pub fn set(&mut self, name: &'static str, bound: Bound, replicas: u32, detail: impl FnOnce() -> String) {
        if replicas == self.granted {
            return;
        }
        self.granted = replicas;
        self.bound = bound;
        self.steps.push(Step { name, replicas, detail: detail() });
    }

    /// Hard caps: growth stops at them, and what is above goes.
    pub fn cap(&mut self, ceilings: &[Ceiling], settings: &Settings, fleet: &Fleet<'_>, resumable: u32) {
        // Resuming a worker does not raise the total, creating one does.
        let stuck = fleet.draining() - resumable.min(fleet.draining());
        let without_creating = fleet.active().saturating_add(resumable);
        for ceiling in ceilings {
            let growth = ceiling.growth.saturating_sub(stuck).max(without_creating);
            let allowed = ceiling.at_most.min(growth);
            if self.granted > allowed {
                self.limited = true;
                self.set(step_name(ceiling.bound), ceiling.bound, allowed, || ceiling.detail(settings));
            }
        }
    }
}

pub(super) fn step_name(bound: Bound) -> &'static str {
    match bound {
        Bound::MaxReplicas => "maxReplicas",
        Bound::MaxMemory => "maxMemory",
        Bound::SingleActiveConsumer => "singleActiveConsumer",
        Bound::Partitions => "partitions",
        _ => "cluster",
    }
}

/// The law's plan: demand, window, `maxConcurrency`, `minReplicas`. Hard caps follow by [`Plan::cap`].
pub(super) fn by_law(settings: &Settings, fleet: &Fleet<'_>, asked: &Asked, detail: String) -> Plan {
    let slots = fleet.slots();
    let (active, demand) = (fleet.active(), asked.demand);
    let grown = workers_for(fleet, demand.slots - slots, asked);
    let spare_now = victims::spare(fleet, demand.slots);
    let mut plan = Plan::starting_at("law", (active - spare_now.count()).saturating_add(grown), detail);

    // The window holds up, it never makes a pool grow.
    let held = demand.slots.max(asked.window.min(slots));
    plan.spare = victims::spare(fleet, held);
    let kept = (active - plan.spare.count()).saturating_add(grown);
    plan.set("window", Bound::ScaleDownWindow, kept, || {
        format!("the last while asked for {held} slots, they are kept for the scale-down window")
    });

    if let Some(most) = asked.groups {
        // Rounded up: a group must not wait for a slot.
        let each = f64::from(fleet.prefetch.max(1));
        let allowed = holding_slots(fleet, (most / each).ceil() * each - taken(fleet), asked).max(1);
        if plan.granted > allowed {
            plan.limited = true;
            plan.set("messageGroups", Bound::MessageGroups, allowed, || {
                format!("{most} slots have work: tasks of one message group are done one by one")
            });
        }
    }
    if let Some(left) = caps::concurrency_left(settings, fleet) {
        let most = settings.max_concurrency.unwrap_or(u32::MAX);
        // Rounded down, but a pool that may work at all has a worker.
        let allowed = holding_slots(fleet, left, asked).max(most.min(1));
        if plan.granted > allowed {
            plan.limited = true;
            plan.set("maxConcurrency", Bound::MaxConcurrency, allowed, || format!("maxConcurrency is {most} tasks"));
        }
    }
    if plan.granted < settings.min_replicas {
        plan.set("minReplicas", Bound::MinReplicas, settings.min_replicas, || {
            format!("minReplicas is {}", settings.min_replicas)
        });
    }
    plan
}

/// Slots that are there, and what leaving workers hold.
fn taken(fleet: &Fleet<'_>) -> f64 {
    fleet.slots() + fleet.held_elsewhere()
}

/// Workers with `left` slots more than there are, or fewer where it is below 0.
fn holding_slots(fleet: &Fleet<'_>, left: f64, asked: &Asked) -> u32 {
    if left >= 0.0 {
        fleet.active().saturating_add(within(fleet, left, asked.resumable))
    } else {
        fleet.active() - above_concurrency(fleet, -left, asked.in_flight)
    }
}

/// Workers to add for `short` slots: draining ones resume first, fullest first, then new ones.
///
/// **Eager resume**: where no growth is wanted but more tasks wait than slots are free, draining
/// workers resume until that many slots are free. It costs nothing and saves a third of the mean
/// wait.
fn workers_for(fleet: &Fleet<'_>, short: f64, asked: &Asked) -> u32 {
    let waiting = asked.ready - (fleet.slots() - asked.in_flight);
    let mut missing = if short > 0.0 { short } else { waiting };
    let mut workers = 0;
    for index in fleet.resumable().into_iter().take(asked.resumable as usize) {
        if missing <= 0.0 {
            return workers;
        }
        missing -= f64::from(fleet.members[index].free());
        workers += 1;
    }
    if short > 0.0 && missing > 0.0 {
        workers += (missing / f64::from(fleet.prefetch.max(1))).ceil().min(f64::from(u32::MAX / 2)) as u32;
    }
    workers
}

/// Workers that fit into `slots` more: a draining one brings only its free slots, for what it holds
/// is in flight already.
fn within(fleet: &Fleet<'_>, mut slots: f64, resumable: u32) -> u32 {
    let mut workers = 0;
    for index in fleet.resumable().into_iter().take(resumable as usize) {
        let free = f64::from(fleet.members[index].free());
        if free > slots {
            return workers;
        }
        slots -= free;
        workers += 1;
    }
    workers.saturating_add((slots / f64::from(fleet.prefetch.max(1))).floor() as u32)
}

/// Workers that must go to get rid of `slots` too many, but never so many that what is in flight
/// has no slot.
fn above_concurrency(fleet: &Fleet<'_>, slots: f64, in_flight: f64) -> u32 {
    let each = f64::from(fleet.prefetch.max(1));
    let mut left = fleet.slots();
    let target = (left - slots).max(in_flight);
    let mut gone = ((left - target) / each).ceil().min(((left - in_flight) / each).floor());
    gone = gone.clamp(0.0, f64::from(fleet.absent));
    left -= gone * each;
    let mut gone = gone as u32;
    for slots in victims::order(fleet).iter().map(|&index| f64::from(fleet.members[index].slots)) {
        if left <= target || left - slots < in_flight {
            break;
        }
        left -= slots;
        gone += 1;
    }
    gone
}
