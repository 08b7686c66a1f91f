//! Who may go, and why the others stay.

use crate::scaling::decision::{Bound, Decision};
use crate::scaling::fleet::{Member, Role};
use crate::scaling::observation::{Worker, WorkerPhase};
use crate::scaling::time::Timestamp;

#[derive(Clone, Debug, PartialEq)]
pub struct WorkerFacts {
    pub name: String,
    pub phase: WorkerPhase,
    /// Seconds since its creation.
    pub age: f64,
    /// `None` = not to be seen, which is not 0.
    pub in_flight: Option<u32>,
    pub slots: u32,
    pub verdict: Verdict,
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Is terminating, or about to be deleted.
    Leaving,
    /// Nothing is interrupted if it goes now.
    MayGo,
    /// Should go and still holds tasks, or might.
    Finishes,
    /// Was draining and is asked to take tasks again.
    Resumes,
    Stays,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leaving => "Leaving",
            Self::MayGo => "MayGo",
            Self::Finishes => "Finishes",
            Self::Resumes => "Resumes",
            Self::Stays => "Stays",
        }
    }
}

/// In the order in which they would go.
pub(super) fn of(workers: &[Worker], members: &[Member], decision: &Decision, now: Timestamp) -> Vec<WorkerFacts> {
    let facts = workers.iter().zip(members).map(|(worker, member)| {
        let (verdict, why) = verdict(worker, member, decision);
        WorkerFacts {
            name: worker.name.clone(),
            phase: worker.phase,
            age: now.since(worker.created).max(0.0),
            in_flight: member.load.held,
            slots: member.slots,
            verdict,
            why,
        }
    });
    let mut facts: Vec<WorkerFacts> = facts.collect();
    let load = |facts: &WorkerFacts| facts.in_flight.unwrap_or(u32::MAX);
    facts.sort_by(|a, b| (a.verdict, load(a)).cmp(&(b.verdict, load(b))).then_with(|| a.name.cmp(&b.name)));
    facts
}

fn verdict(worker: &Worker, member: &Member, decision: &Decision) -> (Verdict, String) {
    let holds = match member.load.held {
        Some(1) => "holds 1 task".to_owned(),
        Some(held) => format!("holds {held} tasks"),
        None => "its load cannot be seen, so it counts as busy".to_owned(),
    };
    if worker.phase == WorkerPhase::Terminating {
        return (Verdict::Leaving, format!("terminating, {holds}"));
    }
    if member.role == Role::Leaving {
        return (Verdict::Leaving, "replicas were lowered, and it is next to be deleted".to_owned());
    }
    if decision.resume.contains(&worker.name) {
        return (Verdict::Resumes, format!("was draining and is wanted again, {holds}"));
    }
    if decision.victims.contains(&worker.name) {
        let never_ran = worker.phase <= WorkerPhase::Pending;
        return (Verdict::MayGo, if never_ran { "no container runs yet" } else { "seen idle" }.to_owned());
    }
    if decision.draining.iter().any(|draining| draining.worker == worker.name) {
        return (Verdict::Finishes, holds);
    }
    let why = match (member.load.held, worker.phase) {
        (_, WorkerPhase::Unassigned) => "waits for a node".to_owned(),
        (_, WorkerPhase::Pending) => "its containers start".to_owned(),
        (Some(0) | None, WorkerPhase::NotReady) if worker.first_ready.is_none() => "boots".to_owned(),
        (Some(0), _) if member.load.idle => format!("idle, {}", why_an_idle_worker_stays(decision)),
        (Some(0), _) => "looked idle before the last task left the queue, and may have taken it".to_owned(),
        _ => holds,
    };
    (Verdict::Stays, why)
}

fn why_an_idle_worker_stays(decision: &Decision) -> &'static str {
    match decision.bound_by {
        _ if decision.flags.rollout => "but nothing is lowered during a rollout",
        Bound::ScaleDownWindow => "kept in case work returns",
        Bound::MinReplicas => "kept by minReplicas",
        Bound::ManualHold => "held by hand",
        Bound::Hold | Bound::Fallback => "but nothing goes while the queue is not known",
        Bound::Paused => "but the pool is paused",
        _ => "its slots are wanted",
    }
}
