//! Each bound on the number of workers, whether or not it holds now.

use crate::scaling::decision::{Bound, Decision};
use crate::scaling::plan::step_name;
use crate::scaling::settings::Settings;
use crate::scaling::trace::Trace;

#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// `minReplicas`, `maxConcurrency`, `maxReplicas`, `maxMemory`, `singleActiveConsumer`, `cluster`.
    pub name: &'static str,
    /// Workers that it allows now, or demands; what drains counts where the limit counts it.
    pub workers: u32,
    pub detail: String,
    /// It decided the number.
    pub binds: bool,
}

pub(super) fn of(settings: &Settings, decision: &Decision, trace: &Trace) -> Vec<Limit> {
    let binds = |bound: Bound| decision.bound_by == bound;
    let mut limits = Vec::new();
    if settings.min_replicas > 0 {
        limits.push(Limit {
            name: "minReplicas",
            workers: settings.min_replicas,
            detail: format!("minReplicas is {}", settings.min_replicas),
            binds: binds(Bound::MinReplicas),
        });
    }
    if let (Some(most), Some(left)) = (settings.max_concurrency, trace.concurrency_left) {
        let each = f64::from(decision.prefetch.max(1));
        limits.push(Limit {
            name: "maxConcurrency",
            workers: (f64::from(trace.active) + (left / each).floor()).max(0.0) as u32,
            detail: format!("maxConcurrency is {most} tasks"),
            binds: binds(Bound::MaxConcurrency),
        });
    }
    limits.extend(trace.ceilings.iter().map(|ceiling| Limit {
        name: step_name(ceiling.bound),
        workers: ceiling.growth,
        detail: ceiling.detail(settings),
        binds: binds(ceiling.bound),
    }));
    limits
}
