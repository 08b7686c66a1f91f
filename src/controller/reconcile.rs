//! The driver: the steps in order, and how soon to come back.

use std::sync::Arc;
use std::time::Duration;

use super::Context;
use super::apply::{Outcome, Step};
use super::dereference::{self, Found};
use super::events::{self, Happening};
use super::explanations::{Ended, Last};
use super::memory::Memory;
use super::news::News;
use super::objects::Pool;
use super::observe::{self, Seen};
use super::record::record;
use super::update_status;
use super::validate::{self, Plan, Refusal, RefusalKind};
use super::world::PoolKey;
use crate::api::AgentWorkerPool;
use crate::api::names::reasons;
use crate::scaling::decision::Decision;
use crate::scaling::explanation::Inputs;
use crate::scaling::time::Timestamp;
use crate::scaling::{self, State};

/// A pass that ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pass {
    /// Come back after this long, if nothing wakes the pool before.
    pub next: Duration,
}

/// A pass that could not end: what was decided stands, and is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("writing what was decided: {}", describe(.0))]
    Apply(#[source] kube::Error),
    #[error("writing the pool's status: {}", describe(.0))]
    Status(#[source] kube::Error),
}

impl Error {
    pub fn step(&self) -> &'static str {
        match self {
            Self::Apply(_) => "apply",
            Self::Status(_) => "status",
        }
    }
}

fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} {}: {}", status.code, status.reason, status.message),
        other => other.to_string(),
    }
}

/// Nothing to do until something wakes the pool; a look now and then costs nothing.
const IDLE: Duration = Duration::from_secs(15);
/// Something is about to come (a watch's first list, a first reading).
const SOON: Duration = Duration::from_millis(500);
/// Seconds for which nothing is done for a pool that is gone, while the cache still has it: what is made for it would be
/// collected at once, and made again.
const REST: f64 = 5.0;
/// Between two looks at a pool: never more often than a broker is read, never so rarely that a stale
/// reading goes unnoticed.
const NEXT: (f64, f64) = (0.25, 5.0);

pub async fn reconcile(context: &Context, key: &PoolKey, memory: &mut Memory) -> Result<Pass, Error> {
    let now = context.parts.clock.now();
    let Some(caches) = context.world.namespaces.get(&key.namespace) else { return Ok(Pass { next: IDLE }) };
    if !caches.synced() {
        return Ok(Pass { next: SOON });
    }
    let Some(Pool { object: pool, parsed }) = dereference::pool(caches, key) else { return Ok(Pass { next: IDLE }) };
    if memory.pool_uid != pool.metadata.uid {
        // Another pool of the same name: nothing of the old one counts.
        *memory = Memory::new(memory.wake.clone(), now);
        memory.pool_uid.clone_from(&pool.metadata.uid);
    }
    if memory.gone.is_some_and(|at| now.since(at) < REST) {
        return Ok(Pass { next: SOON });
    }
    let spec = match parsed.as_ref() {
        Ok(spec) => spec,
        Err(invalid) => {
            let refusal = Refusal::wrong(reasons::INVALID_SPEC, invalid.to_string());
            return refuse(context, key, &pool, None, memory, refusal, now).await;
        }
    };
    dereference::watch_secrets(context, key, spec, memory);
    let Some(found) = dereference::dereference(context, key, pool.clone(), spec, memory) else {
        return Ok(Pass { next: SOON });
    };
    let plan = match validate::validate(context, key, &found, spec, memory) {
        Ok(plan) => plan,
        Err(refusal) => return refuse(context, key, &pool, Some(&found), memory, refusal, now).await,
    };
    let Some(seen) = observe::observe(context, key, &found, &plan, memory, now) else {
        return Ok(Pass { next: SOON });
    };
    let decision = decide(context, key, &found, &plan, &seen, memory, now);
    let step = Step { context, key, found: &found, plan: &plan, decision: &decision, memory, now };
    let outcome = step.apply(spec, &seen).await.map_err(Error::Apply)?;
    conclude(context, key, &found, &plan, &seen, decision, outcome, memory, now).await
}

fn decide(
    context: &Context,
    key: &PoolKey,
    found: &Found,
    plan: &Plan,
    seen: &Seen,
    memory: &mut Memory,
    now: Timestamp,
) -> Decision {
    let before = memory.state.take().unwrap_or_else(|| first_state(found, now));
    let (after, decision) = scaling::decide(&before, &plan.settings, &seen.observation, now);
    memory.state = Some(after);
    let inputs =
        Inputs { state: before, settings: plan.settings.clone(), observation: seen.observation.clone(), at: now };
    let outcome = Ended::Decided { inputs, gaps: seen.gaps.clone(), shared_with: seen.sharing.clone() };
    context.parts.explanations.keep(key, Last { pool: found.pool.clone(), outcome });
    decision
}

/// After a restart the current size counts as a recommendation just made, and what was learned is read back.
fn first_state(found: &Found, now: Timestamp) -> State {
    match update_status::restored(found) {
        Some(restored) => State::restored(restored, now),
        None => State::new(now),
    }
}

#[expect(clippy::too_many_arguments, reason = "the results of all steps meet here, once")]
async fn conclude(
    context: &Context,
    key: &PoolKey,
    found: &Found,
    plan: &Plan,
    seen: &Seen,
    decision: Decision,
    outcome: Outcome,
    memory: &mut Memory,
    now: Timestamp,
) -> Result<Pass, Error> {
    let next = next_look(&decision, plan, seen, memory, now);
    context.parts.metrics.record(&key.labels(), &decision);
    tell(context, key, found, &decision, &outcome, memory, now).await;
    let passed = memory.state.as_ref().map(State::passed).unwrap_or_default();
    record(&mut memory.recorded, key, &found.pool, &decision, passed, seen.observation.workers.len());
    let news = match outcome.refusal.clone() {
        Some(refusal) => News::Refused(refusal),
        None => News::Decided { decision: Box::new(decision), outcome, plan, seen },
    };
    update_status::update_status(context, &found.pool, Some(found), news, memory, now).await.map_err(Error::Status)?;
    Ok(Pass { next })
}

fn next_look(decision: &Decision, plan: &Plan, seen: &Seen, memory: &Memory, now: Timestamp) -> Duration {
    let mut next = decision.next_check;
    if plan.status_port.is_some() && !seen.observation.workers.is_empty() {
        next = next.min(memory.reports.next_round(now));
    }
    Duration::from_secs_f64(next.clamp(NEXT.0, NEXT.1))
}

/// The decision as one log line and one event, when it changed something: whatever becomes of the status.
async fn tell(
    context: &Context,
    key: &PoolKey,
    found: &Found,
    decision: &Decision,
    outcome: &Outcome,
    memory: &mut Memory,
    now: Timestamp,
) {
    let Some((from, to)) = outcome.scaled else { return };
    let labels = key.labels();
    let scaled = if to > from { &context.parts.metrics.scaled_up } else { &context.parts.metrics.scaled_down };
    scaled.get_or_create(&labels).inc();
    tracing::info!(
        pool = %key, from, to, wanted = decision.wanted, granted = decision.granted,
        bound_by = decision.bound_by.as_str(), reason = decision.reason, "scaled"
    );
    let scaled = Happening::scaled(from, to, &decision.reason);
    events::publish(&context.parts.client, &found.pool, &mut memory.allowance, &[scaled], now).await;
}

async fn refuse(
    context: &Context,
    key: &PoolKey,
    pool: &Arc<AgentWorkerPool>,
    found: Option<&Found>,
    memory: &mut Memory,
    refusal: Refusal,
    now: Timestamp,
) -> Result<Pass, Error> {
    if refusal.kind == RefusalKind::Pending {
        return Ok(Pass { next: SOON });
    }
    context.parts.explanations.keep(key, Last { pool: pool.clone(), outcome: Ended::Refused(refusal.clone()) });
    update_status::update_status(context, pool, found, News::Refused(refusal), memory, now)
        .await
        .map_err(Error::Status)?;
    Ok(Pass { next: IDLE })
}
