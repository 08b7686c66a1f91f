//! Step 7: status, conditions and events. A decision of another number and conditions are written at once, readings and
//! what bounds a number that stays at most every 15 s, and readings only if they changed by more than 10 %: in a steady
//! state nothing is written.

use std::borrow::Cow;

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};

use super::Context;
use super::apply::{self, Outcome};
use super::conditions;
use super::dereference::Found;
use super::events;
use super::memory::Memory;
use super::news::News;
use super::observe::Seen;
use super::times;
use super::validate::Plan;
use crate::api::names::FIELD_MANAGER;
use crate::api::status::{Backlog, DeadLetters, Draining, DrainingWorker, Estimates};
use crate::api::{AgentWorkerPool, AgentWorkerPoolStatus, duration, quantity, status};
use crate::scaling::Restored;
use crate::scaling::decision::{self, Decision, Trust};
use crate::scaling::observation::QueueReading;
use crate::scaling::time::Timestamp;

/// Seconds between two writes of readings alone.
const READINGS_EVERY: f64 = 15.0;
/// Smaller changes of a reading are not worth a write.
const WORTH_WRITING: f64 = 0.10;
/// Draining workers listed by name.
const LISTED: usize = 10;

pub async fn update_status(
    context: &Context,
    pool: &AgentWorkerPool,
    found: Option<&Found>,
    news: News<'_>,
    memory: &mut Memory,
    now: Timestamp,
) -> kube::Result<()> {
    if memory.status.as_ref().is_some_and(|(_, version)| *version != pool.metadata.resource_version) {
        // A write of ours that was held up may have undone a later one: what the cache shows counts.
        memory.status = None;
    }
    let old = memory.status.as_ref().map(|(status, _)| status).or(pool.status.as_ref()).cloned().unwrap_or_default();
    let mut new = old.clone();
    new.observed_generation = pool.metadata.generation;
    if let Some(found) = found {
        new.selector = Some(found.selector.clone()).filter(|selector| !selector.is_empty());
        new.ready_replicas = Some(ready(found));
    }
    if let News::Decided { decision, outcome, plan, seen } = &news {
        describe_decision(&mut new, decision, outcome, plan, seen);
    }
    let happenings = conditions::update(&mut new.conditions, &old, &news, pool.metadata.generation, memory, now);
    let due = memory.status_written.is_none_or(|at| now.since(at) >= READINGS_EVERY);
    if significant(&old, &new) || (due && readings_differ(&old, &new)) {
        memory.status = None;
        match write(context, pool, &new).await? {
            Answer::Written => memory.status = Some((new, pool.metadata.resource_version.clone())),
            Answer::Overtaken => (),
            Answer::Gone => memory.gone = Some(now),
        }
        memory.status_written = Some(now);
    }
    events::publish(&context.parts.client, pool, &mut memory.allowance, &happenings, now).await;
    Ok(())
}

/// What became of a status.
enum Answer {
    Written,
    /// Somebody wrote at the same moment: the next pass writes again.
    Overtaken,
    /// The pool is deleted, or was made anew under its name, and the cache does not know yet.
    Gone,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    api_version: Cow<'static, str>,
    kind: Cow<'static, str>,
    metadata: Value,
    status: &'a AgentWorkerPoolStatus,
}

async fn write(context: &Context, pool: &AgentWorkerPool, status: &AgentWorkerPoolStatus) -> kube::Result<Answer> {
    let api: Api<AgentWorkerPool> =
        Api::namespaced(context.parts.client.clone(), pool.namespace().as_deref().unwrap_or_default());
    let body = Body {
        api_version: AgentWorkerPool::api_version(&()),
        kind: AgentWorkerPool::kind(&()),
        metadata: json!({ "name": pool.name_any(), "uid": pool.metadata.uid }),
        status,
    };
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match api.patch_status(&pool.name_any(), &params, &Patch::Apply(&body)).await {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Answer::Overtaken),
        Err(kube::Error::Api(status)) if status.code == 404 || is_of_another_uid(&status) => Ok(Answer::Gone),
        other => other.map(|_| Answer::Written),
    }
}

/// The API server takes an apply with another UID for an attempt to change it (measured on Kubernetes 1.37).
fn is_of_another_uid(status: &kube::core::Status) -> bool {
    let mut causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 422 && causes.any(|cause| cause.field == "metadata.uid")
}

fn ready(found: &Found) -> u32 {
    let ready = found.pods.iter().filter(|pod| !pod.ends && pod.ready);
    u32::try_from(ready.count()).unwrap_or(u32::MAX)
}

fn describe_decision(
    new: &mut AgentWorkerPoolStatus,
    decision: &Decision,
    outcome: &Outcome,
    plan: &Plan,
    seen: &Seen,
) {
    let before = seen.observation.replicas.unwrap_or(0);
    new.replicas = Some(outcome.scaled.map_or(before, |(_, to)| to));
    new.prefetch = Some(decision.prefetch);
    new.backlog = Some(Backlog {
        ready: matches!(decision.trust, Trust::Known | Trust::Stale).then_some(decision.backlog.ready),
        in_flight: decision.backlog.in_flight,
        since: decision.backlog.since.map(times::to_kubernetes),
        trust: Some(trust(decision.trust).to_owned()),
    });
    new.estimates = Some(Estimates {
        arrivals_per_minute: Some((decision.estimates.arrivals_per_second * 600.0).round() / 10.0),
        task_duration: Some(duration::format(rounded(decision.estimates.task_duration))),
        startup: Some(duration::format(rounded(decision.estimates.startup))),
        task_memory: Some(quantity::format(decision.estimates.task_memory)),
    });
    new.decision = Some(status::Decision {
        wanted: decision.wanted,
        granted: decision.granted,
        applied: decision.applied,
        bound_by: decision.bound_by.as_str().to_owned(),
        reason: decision.reason.clone(),
    });
    new.draining = (!decision.draining.is_empty()).then(|| draining(&decision.draining));
    let target = apply::dead_letter_target(plan, seen);
    let depth = match &seen.observation.queue {
        QueueReading::Known(counts) => counts.dead_letters,
        QueueReading::Unknown(_) => None,
    };
    new.dead_letter = target.map(|target| DeadLetters { queue: target.queue().map(str::to_owned), depth });
}

fn draining(all: &[decision::Draining]) -> Draining {
    let worker = |one: &decision::Draining| DrainingWorker {
        name: one.worker.clone(),
        in_flight: one.in_flight,
        since: times::to_kubernetes(one.since),
    };
    Draining {
        count: u32::try_from(all.len()).unwrap_or(u32::MAX),
        workers: all.iter().take(LISTED).map(worker).collect(),
    }
}

fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::Known => "Known",
        Trust::Stale => "Stale",
        Trust::Unknown => "Unknown",
    }
}

/// Three significant digits are more than an estimate has.
fn rounded(seconds: f64) -> f64 {
    if seconds >= 100.0 { seconds.round() } else { (seconds * 10.0).round() / 10.0 }
}

/// A new number of workers, or a condition that says something else.
fn significant(old: &AgentWorkerPoolStatus, new: &AgentWorkerPoolStatus) -> bool {
    let core = |status: &AgentWorkerPoolStatus| {
        let decision = status.decision.as_ref();
        (
            status.observed_generation,
            status.replicas,
            status.selector.clone(),
            status.prefetch,
            decision.map(|decision| (decision.granted, decision.applied)),
            status.backlog.as_ref().map(|backlog| (backlog.trust.clone(), backlog.since.is_some())),
        )
    };
    core(old) != core(new) || conditions_differ(old, new)
}

/// Messages hold numbers that change all the time: they ride along with other writes.
fn conditions_differ(old: &AgentWorkerPoolStatus, new: &AgentWorkerPoolStatus) -> bool {
    let said = |status: &AgentWorkerPoolStatus| -> Vec<(String, String, String, Option<i64>)> {
        let said = status.conditions.iter();
        said.map(|one| (one.type_.clone(), one.status.clone(), one.reason.clone(), one.observed_generation)).collect()
    };
    said(old) != said(new)
}

fn readings_differ(old: &AgentWorkerPoolStatus, new: &AgentWorkerPoolStatus) -> bool {
    // While a pool starts or falls asleep, its number rests on one bound after the other.
    let bound = |status: &AgentWorkerPoolStatus| status.decision.as_ref().map(|decision| decision.bound_by.clone());
    bound(old) != bound(new) || numbers_differ(old, new)
}

fn numbers_differ(old: &AgentWorkerPoolStatus, new: &AgentWorkerPoolStatus) -> bool {
    numbers(old).iter().zip(numbers(new)).any(|(old, new)| {
        let larger = old.unwrap_or(0.0).abs().max(new.unwrap_or(0.0).abs());
        old.is_some() != new.is_some() || (old.unwrap_or(0.0) - new.unwrap_or(0.0)).abs() > WORTH_WRITING * larger
    })
}

fn numbers(status: &AgentWorkerPoolStatus) -> [Option<f64>; 9] {
    let backlog = status.backlog.as_ref();
    let estimates = status.estimates.as_ref();
    let seconds = |text: Option<&String>| text.and_then(|text| duration::parse(text).ok());
    [
        backlog.and_then(|backlog| backlog.ready).map(|ready| ready as f64),
        backlog.and_then(|backlog| backlog.in_flight).map(|in_flight| in_flight as f64),
        estimates.and_then(|estimates| estimates.arrivals_per_minute),
        seconds(estimates.and_then(|estimates| estimates.task_duration.as_ref())),
        seconds(estimates.and_then(|estimates| estimates.startup.as_ref())),
        status.decision.as_ref().map(|decision| f64::from(decision.wanted)),
        status.ready_replicas.map(f64::from),
        status.draining.as_ref().map(|draining| f64::from(draining.count)),
        status.dead_letter.as_ref().and_then(|dead| dead.depth).map(|depth| depth as f64),
    ]
}

/// What an earlier operator learned, if it wrote a status and the Deployment still stands.
pub fn restored(found: &Found) -> Option<Restored> {
    let status = found.pool.status.as_ref()?;
    let estimates = status.estimates.as_ref()?;
    let replicas = found.deployment.as_ref()?.replicas;
    let backlog = status.backlog.clone().unwrap_or_default();
    // What is not there restores to nothing: `State` takes positive numbers only.
    let seconds = |text: &Option<String>| text.as_ref().and_then(|text| duration::parse(text).ok()).unwrap_or(0.0);
    Some(Restored {
        replicas,
        backlog: decision::Backlog {
            ready: backlog.ready.unwrap_or(0),
            in_flight: backlog.in_flight,
            since: backlog.since.as_ref().map(times::from_kubernetes),
        },
        estimates: decision::Estimates {
            arrivals_per_second: estimates.arrivals_per_minute.unwrap_or(0.0) / 60.0,
            task_duration: seconds(&estimates.task_duration),
            startup: seconds(&estimates.startup),
            task_memory: estimates.task_memory.as_ref().and_then(|text| quantity::parse(text).ok()).unwrap_or(0),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(ready: u64) -> AgentWorkerPoolStatus {
        AgentWorkerPoolStatus {
            backlog: Some(Backlog { ready: Some(ready), ..Backlog::default() }),
            ..AgentWorkerPoolStatus::default()
        }
    }

    #[test]
    fn readings_are_worth_a_write_only_when_they_changed_by_more_than_a_tenth() {
        assert!(!readings_differ(&status(100), &status(105)));
        assert!(readings_differ(&status(100), &status(120)));
        assert!(readings_differ(&status(0), &status(1)));
        assert!(!significant(&status(100), &status(500)));
    }

    #[test]
    fn a_number_that_stays_may_say_later_what_it_rests_on() {
        let decided = |applied, bound: &str| AgentWorkerPoolStatus {
            decision: Some(status::Decision { applied, bound_by: bound.into(), ..status::Decision::default() }),
            ..AgentWorkerPoolStatus::default()
        };
        let (by_demand, by_window) = (decided(2, "Demand"), decided(2, "ScaleDownWindow"));
        assert!(!significant(&by_demand, &by_window) && readings_differ(&by_demand, &by_window));
        assert!(significant(&by_demand, &decided(3, "Demand")));
    }
}
