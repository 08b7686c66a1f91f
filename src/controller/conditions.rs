//! What a pass makes of the pool's conditions, and what of that is worth an event.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::apply;
use super::events::Happening;
use super::memory::Memory;
use super::news::News;
use super::observe::Seen;
use super::times;
use super::validate::{Plan, Refusal, RefusalKind};
use crate::api::AgentWorkerPoolStatus;
use crate::api::conditions::{Says, Status, find, remove, set};
use crate::api::names::{conditions as types, reasons};
use crate::brokers::Declaration;
use crate::scaling::decision::{Bound, Decision, Trust};
use crate::scaling::observation::{ErrorClass, Observation, QueueReading, Unknown};
use crate::scaling::settings::Mode;
use crate::scaling::time::Timestamp;

/// Seconds something named may be missing before the pool counts as stalled: in GitOps things come in any order.
const WAITING_LIMIT: f64 = 600.0;

/// Sets and takes back conditions; answers what is worth an event.
pub fn update(
    conditions: &mut Vec<Condition>,
    old: &AgentWorkerPoolStatus,
    news: &News<'_>,
    generation: Option<i64>,
    memory: &mut Memory,
    now: Timestamp,
) -> Vec<Happening> {
    let mut happenings = Vec::new();
    let (says, gone) = match news {
        News::Refused(refusal) => refused(refusal, memory, now),
        News::Decided { decision, plan, seen, .. } => {
            happenings.extend(of_bounds(old, decision, plan));
            decided(decision, plan, seen, memory, now)
        }
    };
    for type_ in gone {
        if remove(conditions, type_) && is_warning(type_) {
            happenings.push(happening(reason_over(type_), false, format!("{type_} is over")));
        }
    }
    for say in says {
        happenings.extend(worth_telling(find(conditions, say.type_), &say));
        set(conditions, say, generation, times::to_kubernetes(now));
    }
    happenings
}

/// What is worth an event: a warning that comes, readiness or the backlog lost (or lost for another reason), and
/// found again. A queue that was never read yet is no news.
fn worth_telling(old: Option<&Condition>, say: &Says) -> Option<Happening> {
    let changed = old.is_none_or(|old| old.status != say.status.as_str());
    let other_reason = old.is_none_or(|old| old.reason != say.reason);
    let warning = match (say.type_, say.status) {
        (types::BACKLOG_KNOWN, Status::False) if old.is_none() => return None,
        (types::READY | types::BACKLOG_KNOWN | types::TOPOLOGY_DECLARED, Status::False) if changed || other_reason => {
            true
        }
        (types::READY | types::BACKLOG_KNOWN, Status::True) if changed && old.is_some() => false,
        (types::TOPOLOGY_DECLARED, Status::True) if changed => false,
        (type_, Status::True) if changed && is_warning(type_) => true,
        _ => return None,
    };
    Some(happening(say.reason, warning, say.message.clone()))
}

fn happening(reason: &'static str, warning: bool, note: String) -> Happening {
    Happening { reason, action: "Reconcile", warning, note }
}

/// Conditions whose coming is a warning.
fn is_warning(type_: &str) -> bool {
    [types::QUEUE_SHARED, types::SCALE_DOWN_BLIND, types::MEMORY_LIMIT_MISSING, types::NO_DEAD_LETTER_TARGET]
        .contains(&type_)
}

fn reason_over(type_: &str) -> &'static str {
    match type_ {
        types::QUEUE_SHARED => "QueueUnshared",
        types::SCALE_DOWN_BLIND => "ScaleDownSighted",
        types::MEMORY_LIMIT_MISSING => "MemoryLimitFound",
        _ => "DeadLetterTargetFound",
    }
}

type Verdict = (Vec<Says>, Vec<&'static str>);

fn refused(refusal: &Refusal, memory: &mut Memory, now: Timestamp) -> Verdict {
    let mut verdict = (Vec::new(), Vec::new());
    not_ready(&mut verdict, refusal, memory, now);
    verdict
}

/// Ready=False with Reconciling while it may come by itself, Stalled once a person must act.
fn not_ready((says, gone): &mut Verdict, refusal: &Refusal, memory: &mut Memory, now: Timestamp) {
    let since = match memory.waiting_since {
        Some((reason, since)) if reason == refusal.reason => since,
        _ => now,
    };
    memory.waiting_since = Some((refusal.reason, since));
    let waiting = refusal.kind == RefusalKind::Waiting && now.since(since) < WAITING_LIMIT;
    let say = |type_, status| Says { type_, status, reason: refusal.reason, message: refusal.message.clone() };
    says.push(say(types::READY, Status::False));
    let (is, is_not) =
        if waiting { (types::RECONCILING, types::STALLED) } else { (types::STALLED, types::RECONCILING) };
    says.push(say(is, Status::True));
    gone.push(is_not);
}

fn decided(decision: &Decision, plan: &Plan, seen: &Seen, memory: &mut Memory, now: Timestamp) -> Verdict {
    let mut verdict = (Vec::new(), Vec::new());
    let reading = &seen.observation.queue;
    match reading {
        QueueReading::Unknown(unknown) if unknown.class == ErrorClass::Misconfigured => {
            let refusal = Refusal::waiting(unknown.reason, unknown.message.clone());
            not_ready(&mut verdict, &refusal, memory, now);
        }
        _ => {
            memory.waiting_since = None;
            ready(&mut verdict, decision, plan);
        }
    }
    verdict.0.push(backlog_known(reading, decision.trust, seen.gaps.ready.as_ref()));
    let flags = decision.flags;
    let mut when = |holds: bool, type_, message: &dyn Fn() -> String| {
        if holds {
            verdict.0.push(Says { type_, status: Status::True, reason: type_, message: message() });
        } else {
            verdict.1.push(type_);
        }
    };
    when(!seen.sharing.is_empty(), types::QUEUE_SHARED, &|| {
        let others: Vec<String> = seen.sharing.iter().map(ToString::to_string).collect();
        format!("{} read the same queue; each counts its part by maxReplicas × prefetch", others.join(", "))
    });
    if flags.scale_down_blind || sighted(&seen.observation) {
        when(flags.scale_down_blind, types::SCALE_DOWN_BLIND, &|| {
            let gap = seen.gaps.by_worker.as_ref().or(seen.gaps.in_flight.as_ref());
            let why = gap.map_or_else(String::new, |gap| format!(" ({})", gap.message));
            format!("no source tells which workers are busy, so none is stopped: {}{why}", plan.remedies.blind)
        });
    }
    when(flags.memory_limit_missing, types::MEMORY_LIMIT_MISSING, &|| {
        format!(
            "the container has no memory limit, so each worker holds {} at once; set resources.limits.memory, or \
             prefetch.fixed",
            decision.prefetch
        )
    });
    when(flags.limited, types::SCALING_LIMITED, &|| {
        format!("{} keeps the pool at {} of {} workers", decision.bound_by.as_str(), decision.granted, decision.wanted)
    });
    when(flags.drain_overdue, types::DRAINING, &|| {
        format!(
            "{} workers should go and are busy for longer than drain.timeout; they are waited for",
            decision.draining.len()
        )
    });
    let unknown_target = apply::dead_letter_target(plan, seen).is_none() && (seen.facts.is_some() || !plan.tells_facts);
    when(unknown_target && plan.contract.is_some(), types::NO_DEAD_LETTER_TARGET, &|| {
        plan.remedies.no_dead_letter.into()
    });
    declared(&mut verdict, seen.declaration.as_ref());
    verdict
}

/// Nothing is said before the first attempt has ended.
fn declared((says, gone): &mut Verdict, declaration: Option<&Declaration>) {
    let type_ = types::TOPOLOGY_DECLARED;
    match declaration {
        None => gone.push(type_),
        Some(Declaration::Pending) => {}
        Some(Declaration::Ready) => {
            let message = "the queue, its bindings and its dead letters' way are there as declared".into();
            says.push(Says { type_, status: Status::True, reason: reasons::DECLARED, message });
        }
        Some(Declaration::Refused(why)) => {
            says.push(Says { type_, status: Status::False, reason: why.reason, message: why.message.clone() });
        }
    }
}

/// Some source tells of some worker, or there is none to tell of. Between this and blindness lies an outage,
/// which takes back nothing.
fn sighted(observation: &Observation) -> bool {
    let told = matches!(&observation.queue, QueueReading::Known(counts) if counts.unacked_by_worker.is_some());
    told || observation.workers.is_empty() || observation.workers.iter().any(|worker| worker.report.is_some())
}

fn ready((says, gone): &mut Verdict, decision: &Decision, plan: &Plan) {
    let (reason, message) = match (plan.settings.mode, decision.bound_by) {
        (Mode::Paused, _) => (reasons::PAUSED, "scaling.mode is Paused: nothing is written but this status"),
        (Mode::Recommend, _) => (reasons::RECOMMENDING, "scaling.mode is Recommend: replicas are left as they are"),
        (Mode::Auto, Bound::ManualHold) => {
            (reasons::MANUAL_HOLD, "scaling.holdReplicas holds the pool; `awp release` ends it")
        }
        (Mode::Auto, _) => (reasons::APPLIED, "the last decision is applied"),
    };
    says.push(Says { type_: types::READY, status: Status::True, reason, message: message.into() });
    gone.push(types::STALLED);
    if decision.flags.rollout {
        let message = "a rollout is under way; nothing is scaled down until it ends".into();
        says.push(Says { type_: types::RECONCILING, status: Status::True, reason: reasons::ROLLING_OUT, message });
    } else {
        gone.push(types::RECONCILING);
    }
}

/// `slow`: why the fast look does not work, or is not as fast as it should be.
fn backlog_known(reading: &QueueReading, trust: Trust, slow: Option<&Unknown>) -> Says {
    let (status, reason, message) = match (reading, trust) {
        (QueueReading::Unknown(Unknown { reason, message, .. }), _) => (Status::False, *reason, message.clone()),
        (QueueReading::Known(_), Trust::Known) => match slow {
            None => (Status::True, reasons::READ, "the queue is read".into()),
            Some(slow) => (Status::True, slow.reason, format!("the queue is read, but: {}", slow.message)),
        },
        (QueueReading::Known(_), _) => {
            (Status::False, "ReadingStale", "the last reading is old; the last decision holds until a new one".into())
        }
    };
    Says { type_: types::BACKLOG_KNOWN, status, reason, message }
}

fn of_bounds(old: &AgentWorkerPoolStatus, decision: &Decision, plan: &Plan) -> Vec<Happening> {
    let mut happenings = Vec::new();
    let bound = |bound: Bound| old.decision.as_ref().is_some_and(|old| old.bound_by == bound.as_str());
    let held = plan.settings.hold_replicas.is_some();
    match (bound(Bound::ManualHold), held && decision.bound_by == Bound::ManualHold) {
        (false, true) => happenings.push(happening(
            reasons::HOLD_STARTED,
            false,
            format!("held at {} workers by scaling.holdReplicas; `awp release` ends it", decision.granted),
        )),
        (true, false) if !held => {
            happenings.push(happening(reasons::HOLD_ENDED, false, "the queue decides again".into()));
        }
        _ => (),
    }
    match (bound(Bound::Fallback), decision.bound_by == Bound::Fallback) {
        (false, true) => happenings.push(happening(
            reasons::FALLBACK_STARTED,
            true,
            format!("the queue cannot be read for long: at least {} workers by scaling.fallback", decision.granted),
        )),
        (true, false) => happenings.push(happening(reasons::FALLBACK_ENDED, false, "the queue decides again".into())),
        _ => (),
    }
    happenings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(status: Status, reason: &'static str) -> Says {
        Says { type_: types::BACKLOG_KNOWN, status, reason, message: "words".into() }
    }

    fn after(said: &[Says]) -> Option<Happening> {
        let mut conditions = Vec::new();
        let mut last = None;
        for say in said {
            last = worth_telling(find(&conditions, say.type_), say);
            set(&mut conditions, say.clone(), Some(1), times::to_kubernetes(Timestamp(0.0)));
        }
        last
    }

    #[test]
    fn a_queue_that_was_never_read_is_no_news_and_one_that_is_lost_is() {
        let (unread, lost) = (known(Status::False, "EmptyUnconfirmed"), known(Status::False, "BrokerUnreachable"));
        let read = known(Status::True, reasons::READ);
        assert_eq!(after(std::slice::from_ref(&unread)), None);
        assert_eq!(after(std::slice::from_ref(&read)), None);
        assert!(after(&[read.clone(), lost.clone()]).unwrap().warning);
        assert_eq!(after(&[read.clone(), lost.clone(), lost.clone()]), None);
        assert!(after(&[unread, lost.clone()]).unwrap().warning);
        assert!(!after(&[lost, read]).unwrap().warning);
    }
}
