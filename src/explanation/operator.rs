//! The report of a decision that the operator remembers.

use super::report::{
    AgeBin, Count, Decision, Decisive, Estimate, Law, Limit, MOST_WORKERS, Problem, Reading, Report, Reported, Size,
    Step, Waiting, WhatIf, Worker, Workers,
};
use super::{status, words};
use crate::api::{AgentWorkerPoolSpec, AgentWorkerPoolStatus};
use crate::scaling::decision::Trust;
use crate::scaling::explanation::{self, Explanation, Learned};
use crate::scaling::observation::{Counted, Unknown};
use crate::scaling::time::Timestamp;

/// What is known of a decision besides what the law knows.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    pub namespace: &'a str,
    pub pool: &'a str,
    pub spec: &'a AgentWorkerPoolSpec,
    /// Why parts of the reading are missing or slow.
    pub gaps: &'a [Unknown],
    /// Other pools on the same queue, as NAMESPACE/NAME.
    pub shared_with: &'a [String],
    /// When the report is made.
    pub now: Timestamp,
}

/// `status` is the pool's, for its conditions.
pub fn report(explained: &Explanation, around: &Circumstances<'_>, status: &AgentWorkerPoolStatus) -> Report {
    let decision = &explained.decision;
    let gaps = around.gaps.iter().map(problem);
    Report {
        namespace: around.namespace.to_owned(),
        pool: around.pool.to_owned(),
        source: "Operator".to_owned(),
        missing: Vec::new(),
        queue: words::queue(around.spec),
        decided_at: words::rfc3339(decision.at),
        decided_ago: Some(around.now.since(decision.at).max(0.0)),
        mode: words::mode(around.spec),
        summary: decision.reason.clone(),
        decision: Some(Decision {
            wanted: decision.wanted,
            granted: decision.granted,
            applied: decision.applied,
            bound_by: decision.bound_by.as_str().to_owned(),
        }),
        reading: Some(reading(explained, around)),
        waiting: Some(waiting(&explained.ages)),
        estimates: estimates(explained),
        law: law(explained),
        steps: steps(explained),
        limits: explained.limits.iter().map(limit).collect(),
        what_if: explained.what_if.iter().map(what_if).collect(),
        workers: Some(workers(explained)),
        sizes: explained.sizes.iter().map(size).collect(),
        problems: status::with_conditions(gaps.collect(), status),
    }
}

pub fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::Known => "Known",
        Trust::Stale => "Stale",
        Trust::Unknown => "Unknown",
    }
}

fn problem(unknown: &Unknown) -> Problem {
    Problem { reason: unknown.reason.to_owned(), message: unknown.message.clone() }
}

fn reading(explained: &Explanation, around: &Circumstances<'_>) -> Reading {
    let (decision, read) = (&explained.decision, &explained.reading);
    let age = |at: Timestamp| decision.at.since(at).max(0.0);
    let count = |counted: Counted| Count { count: counted.count, age: Some(age(counted.at)) };
    Reading {
        trust: trust(decision.trust).to_owned(),
        ready: read.ready.map(count),
        in_flight: decision.backlog.in_flight,
        in_flight_by_broker: read.unacked.map(count),
        in_flight_by_workers: read.reported.filter(|reported| reported.of > 0).map(|reported| Reported {
            count: reported.in_flight,
            workers: reported.workers,
            of: reported.of,
            age: reported.oldest.map(age),
        }),
        by_worker_age: read.by_worker.map(age),
        unknown: read.unknown.as_ref().map(problem),
        unknown_for: read.unknown_for,
        fallback_in: read.fallback_in,
        shared_with: around.shared_with.to_vec(),
    }
}

fn waiting(ages: &explanation::Ages) -> Waiting {
    Waiting {
        count: ages.count,
        oldest: ages.oldest,
        ages: ages.bins.iter().map(|bin| AgeBin { upto: bin.upto, count: bin.count }).collect(),
    }
}

fn estimates(explained: &Explanation) -> Vec<Estimate> {
    let (at, estimates) = (explained.decision.at, &explained.decision.estimates);
    let learned = |name: &str, value: f64, learned: Learned| Estimate {
        name: name.to_owned(),
        value,
        samples: Some(learned.evidence.samples),
        restored: learned.evidence.restored,
        age: learned.at.map(|learned| at.since(learned).max(0.0)),
    };
    let rate = Estimate { name: "arrivals".to_owned(), value: estimates.arrivals_per_second, ..Estimate::default() };
    let mut all = vec![
        learned("taskDuration", estimates.task_duration, explained.duration),
        learned("startup", estimates.startup, explained.startup),
        rate,
    ];
    // With a fixed prefetch nothing depends on it, and it may never be told.
    if estimates.task_memory > 0 {
        all.push(learned("taskMemory", estimates.task_memory as f64, explained.memory));
    }
    all
}

fn law(explained: &Explanation) -> Option<Law> {
    let law = explained.law?;
    let (terms, demand) = (law.terms, law.demand);
    let decisive = demand.pressing.map(|task| {
        let of_task = terms.of_task(task.position, task.age);
        Decisive {
            position: task.position,
            waited: task.age,
            left: of_task.left,
            completions: of_task.completions,
            short: of_task.short,
        }
    });
    Some(Law {
        start_within: terms.start_within,
        interval: terms.interval,
        task_duration: terms.task_duration,
        startup: terms.startup,
        arrivals_per_second: explained.decision.estimates.arrivals_per_second,
        free_slots: terms.free_slots,
        slots: terms.slots,
        in_flight: terms.in_flight,
        in_flight_known: law.in_flight_known,
        ready: law.ready,
        decisive,
        short: demand.short,
        wanted_slots: demand.slots,
        prefetch: explained.decision.prefetch,
        wanted: explained.decision.wanted,
    })
}

fn steps(explained: &Explanation) -> Vec<Step> {
    let step = |step: &crate::scaling::decision::Step| Step {
        name: step.name.to_owned(),
        replicas: step.replicas,
        detail: step.detail.clone(),
    };
    explained.decision.steps.iter().map(step).collect()
}

fn limit(limit: &explanation::Limit) -> Limit {
    Limit { name: limit.name.to_owned(), workers: limit.workers, detail: limit.detail.clone(), binds: limit.binds }
}

fn what_if(tried: &explanation::WhatIf) -> WhatIf {
    WhatIf {
        setting: tried.setting.to_owned(),
        value: tried.value.clone(),
        wanted: tried.wanted,
        granted: tried.granted,
        applied: tried.applied,
        bound_by: tried.bound_by.as_str().to_owned(),
    }
}

fn workers(explained: &Explanation) -> Workers {
    let all = &explained.workers;
    let list = all.iter().take(MOST_WORKERS).map(|worker| Worker {
        name: worker.name.clone(),
        age: worker.age,
        in_flight: worker.in_flight,
        slots: worker.slots,
        verdict: worker.verdict.as_str().to_owned(),
        why: worker.why.clone(),
    });
    Workers {
        active: explained.active,
        slots: explained.slots,
        absent: explained.absent,
        list: list.collect(),
        omitted: all.len().saturating_sub(MOST_WORKERS) as u32,
    }
}

fn size(size: &explanation::Size) -> Size {
    Size { prefetch: size.prefetch, memory: size.memory, bursts: size.bursts, steady: size.steady }
}
