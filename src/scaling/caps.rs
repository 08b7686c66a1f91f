//! What holds the number of workers down, whatever the queue asks for.

use super::decision::Bound;
use super::fleet::{Fleet, Role};
use super::observation::{Partitions, WorkerPhase};
use super::partitions;
use super::settings::Settings;

/// Seconds for which a refusal is remembered after the cluster stopped to say so: refused pods that
/// are no longer asked for leave no trace, and asking again at once would only flap.
pub const REFUSAL_REMEMBERED: f64 = 30.0;

/// A bound in workers.
#[derive(Clone, Debug, PartialEq)]
pub struct Ceiling {
    pub bound: Bound,
    /// More active workers than this must go.
    pub at_most: u32,
    /// Growth must not bring the total, with workers that still drain, above this.
    pub growth: u32,
    /// What the words name: pods for `Cluster`.
    present: u32,
}

impl Ceiling {
    fn of(bound: Bound, most: u32) -> Self {
        Self { bound, at_most: most, growth: most, present: 0 }
    }

    /// In words; only for the one that binds.
    pub fn detail(&self, settings: &Settings) -> String {
        match self.bound {
            Bound::SingleActiveConsumer => {
                "the queue has a single active consumer: more workers would only wait".to_owned()
            }
            Bound::Partitions if self.growth < self.at_most => format!(
                "tasks are on {} of {} partitions, each of which one worker works on",
                self.growth, self.at_most
            ),
            Bound::Partitions => format!("the topics have {} partitions: more workers would only wait", self.at_most),
            Bound::MaxMemory => {
                let most = settings.max_memory.unwrap_or(0) as f64;
                let each = settings.worker_memory.unwrap_or(0).max(1) as f64;
                format!("maxMemory holds {} workers of {}", (most / each).floor(), bytes(each))
            }
            Bound::Cluster => format!("the cluster refuses more pods than the {} there are", self.present),
            _ => format!("maxReplicas is {}", settings.max_replicas),
        }
    }
}

/// Concurrency in slots: how many more the pool may have than c0, below 0 where it has too many.
/// What draining and leaving workers hold counts, for it is in flight.
pub fn concurrency_left(settings: &Settings, fleet: &Fleet<'_>) -> Option<f64> {
    settings.max_concurrency.map(|most| f64::from(most) - fleet.slots() - fleet.held_elsewhere())
}

/// The hard caps, which win over `minReplicas`. A manual hold ignores what guards against the law's
/// appetite, not what guards the cluster.
pub fn ceilings(
    settings: &Settings,
    fleet: &Fleet<'_>,
    single_active: bool,
    partitions: Option<Partitions>,
    refused: bool,
) -> Vec<Ceiling> {
    let mut ceilings = Vec::with_capacity(5);
    if settings.hold_replicas.is_none() {
        ceilings.push(Ceiling::of(Bound::MaxReplicas, settings.max_replicas));
        if single_active {
            ceilings.push(Ceiling::of(Bound::SingleActiveConsumer, 1));
        }
        if let Some(all) = partitions {
            // Asked for whatever the queue holds.
            let spare = settings.min_replicas.max(settings.warm_slots.div_ceil(fleet.prefetch.max(1)));
            let growth = partitions::useful(all, spare);
            ceilings.push(Ceiling { growth, ..Ceiling::of(Bound::Partitions, all.assignable) });
        }
    }
    ceilings.extend(memory(settings, fleet));
    if refused {
        let present = fleet.active() - fleet.absent;
        ceilings.push(Ceiling {
            bound: Bound::Cluster,
            at_most: if fleet.absent > 0 { present } else { present.saturating_add(fleet.draining()) },
            growth: present.saturating_add(fleet.draining()),
            present,
        });
    }
    ceilings
}

/// `floor(maxMemory / worker memory limit)`; existing pods count with their own limits. Draining
/// and terminating workers still hold theirs, so they delay growth, but nobody else goes for them.
fn memory(settings: &Settings, fleet: &Fleet<'_>) -> Option<Ceiling> {
    let (most, each) = (settings.max_memory? as f64, settings.worker_memory.filter(|bytes| *bytes > 0)? as f64);
    let limit = |index: usize| match fleet.workers[index].memory_limit {
        0 => each,
        bytes => bytes as f64,
    };
    let held_by = |role: Role| fleet.with_role(role).map(|(index, _)| limit(index)).sum::<f64>();
    let active = held_by(Role::Active) + f64::from(fleet.absent) * each;
    let leaving: f64 = (0..fleet.workers.len())
        .filter(|&index| {
            fleet.workers[index].phase == WorkerPhase::Terminating || fleet.members[index].role == Role::Leaving
        })
        .map(limit)
        .sum();
    let beyond = |used: f64| ((most - used) / each).floor();
    let total = f64::from(fleet.active().saturating_add(fleet.draining()));
    let more = beyond(active + held_by(Role::Draining) + leaving);
    Some(Ceiling {
        bound: Bound::MaxMemory,
        at_most: (f64::from(fleet.active()) + beyond(active)).max(0.0) as u32,
        growth: (total + more).max(0.0) as u32,
        present: 0,
    })
}

/// Bytes as people write them in a manifest.
pub fn bytes(bytes: f64) -> String {
    let (mi, gi) = (bytes / 1024.0_f64.powi(2), bytes / 1024.0_f64.powi(3));
    match gi {
        gi if gi >= 1.0 && (gi * 10.0).fract().abs() < 0.05 => format!("{}Gi", (gi * 10.0).round() / 10.0),
        _ => format!("{}Mi", mi.ceil()),
    }
}
