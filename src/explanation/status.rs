//! The report that a pool's own status allows, where the operator cannot be asked.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::report::{Count, Decision, Estimate, Problem, Reading, Report, Waiting};
use super::words;
use crate::api::names::conditions;
use crate::api::{AgentWorkerPool, AgentWorkerPoolStatus, duration, quantity};
use crate::scaling::time::Timestamp;

/// What the status tells, and what is missing: `why` is why the operator was not asked.
pub fn report(pool: &AgentWorkerPool, why: Vec<String>, now: Timestamp) -> Report {
    let status = pool.status.clone().unwrap_or_default();
    let decision = status.decision.clone();
    let backlog = status.backlog.clone().unwrap_or_default();
    let since = |time: &Time| (now.0 - time.0.as_millisecond() as f64 / 1000.0).max(0.0);
    Report {
        source: "Status".to_owned(),
        missing: why,
        summary: decision.as_ref().map_or_else(
            || "nothing was decided yet; is the operator running?".to_owned(),
            |decision| decision.reason.clone(),
        ),
        decision: decision.map(|decision| Decision {
            wanted: decision.wanted,
            granted: decision.granted,
            applied: decision.applied,
            bound_by: decision.bound_by,
        }),
        reading: backlog.trust.map(|trust| Reading {
            trust,
            ready: backlog.ready.map(|count| Count { count, age: None }),
            in_flight: backlog.in_flight,
            ..Reading::default()
        }),
        waiting: backlog.since.as_ref().zip(backlog.ready).map(|(time, count)| Waiting {
            count,
            oldest: Some(since(time)),
            ages: Vec::new(),
        }),
        estimates: estimates(&status),
        problems: with_conditions(Vec::new(), &status),
        ..blank(pool)
    }
}

/// The report of a pool that cannot be worked with: there is no decision to explain.
pub fn refused(pool: &AgentWorkerPool, reason: &str, message: &str) -> Report {
    let problem = Problem { reason: reason.to_owned(), message: message.to_owned() };
    let status = pool.status.clone().unwrap_or_default();
    Report {
        source: "Operator".to_owned(),
        summary: "nothing is decided, and no replica touched, until the problem below is solved".to_owned(),
        problems: with_conditions(vec![problem], &status),
        ..blank(pool)
    }
}

fn blank(pool: &AgentWorkerPool) -> Report {
    Report {
        namespace: pool.metadata.namespace.clone().unwrap_or_default(),
        pool: pool.metadata.name.clone().unwrap_or_default(),
        queue: words::queue(&pool.spec),
        mode: words::mode(&pool.spec),
        ..Report::default()
    }
}

/// Adds the conditions that say that something is wrong or degraded; what is said already is not repeated.
pub fn with_conditions(mut problems: Vec<Problem>, status: &AgentWorkerPoolStatus) -> Vec<Problem> {
    for condition in &status.conditions {
        let wrong = match condition.type_.as_str() {
            conditions::READY | conditions::BACKLOG_KNOWN => condition.status == "False",
            // The steps tell what limits it.
            conditions::RECONCILING | conditions::SCALING_LIMITED => false,
            _ => condition.status == "True",
        };
        let said = problems.iter().any(|known| known.message == condition.message);
        if wrong && !said {
            problems.push(Problem { reason: condition.reason.clone(), message: condition.message.clone() });
        }
    }
    problems
}

fn estimates(status: &AgentWorkerPoolStatus) -> Vec<Estimate> {
    let Some(estimates) = &status.estimates else { return Vec::new() };
    let seconds = |text: &Option<String>| text.as_deref().and_then(|text| duration::parse(text).ok());
    let bytes = estimates.task_memory.as_deref().and_then(|text| quantity::parse(text).ok());
    let values = [
        ("taskDuration", seconds(&estimates.task_duration)),
        ("startup", seconds(&estimates.startup)),
        ("arrivals", estimates.arrivals_per_minute.map(|per_minute| per_minute / 60.0)),
        ("taskMemory", bytes.filter(|bytes| *bytes > 0).map(|bytes| bytes as f64)),
    ];
    let known = values.into_iter().filter_map(|(name, value)| Some((name, value?)));
    known.map(|(name, value)| Estimate { name: name.to_owned(), value, ..Estimate::default() }).collect()
}
