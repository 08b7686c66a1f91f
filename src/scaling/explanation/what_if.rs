//! What would change the answer: the same decision with other settings.

use super::Inputs;
use crate::scaling::caps::bytes;
use crate::scaling::decide;
use crate::scaling::decision::{Bound, Decision};
use crate::scaling::observation::WorkerPhase;
use crate::scaling::settings::{Mode, Settings};
use crate::scaling::trace::Trace;

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

#[derive(Clone, Debug, PartialEq)]
pub struct WhatIf {
    /// Path below `spec`.
    pub setting: &'static str,
    /// As one would write it in the manifest.
    pub value: String,
    pub wanted: u32,
    pub granted: u32,
    pub applied: u32,
    pub bound_by: Bound,
}

/// Settings worth trying, each with what comes of it; those that change nothing are left out, but
/// not where the pool is held down and raising a limit alone would not help.
pub(super) fn of(inputs: &Inputs, decision: &Decision, trace: &Trace) -> Vec<WhatIf> {
    let mut tried = Vec::new();
    for (setting, value, settings) in variations(inputs, decision, trace) {
        let (_, other) = decide(&inputs.state, &settings, &inputs.observation, inputs.at);
        let same =
            (other.wanted, other.granted, other.applied) == (decision.wanted, decision.granted, decision.applied);
        if !same || decision.granted < decision.wanted {
            tried.push(WhatIf {
                setting,
                value,
                wanted: other.wanted,
                granted: other.granted,
                applied: other.applied,
                bound_by: other.bound_by,
            });
        }
    }
    tried
}

type Variation = (&'static str, String, Settings);
/// Takes a setting, its value in the manifest, and how it changes the law's settings.
type Try<'a> = dyn FnMut(&'static str, String, &dyn Fn(&mut Settings)) + 'a;

fn variations(inputs: &Inputs, decision: &Decision, trace: &Trace) -> Vec<Variation> {
    let now = &inputs.settings;
    let mut variations: Vec<Variation> = Vec::new();
    let mut with = |setting, value: String, change: &dyn Fn(&mut Settings)| {
        let mut settings = now.clone();
        change(&mut settings);
        variations.push((setting, value, settings));
    };
    if now.hold_replicas.is_some() {
        with("scaling.holdReplicas", "null".to_owned(), &|settings| settings.hold_replicas = None);
    }
    if now.mode != Mode::Auto {
        with("scaling.mode", "Auto".to_owned(), &|settings| settings.mode = Mode::Auto);
    }
    if decision.granted < decision.wanted {
        raise_limits(inputs, decision, trace, &mut with);
    }
    if decision.bound_by == Bound::ScaleDownWindow {
        with("scaling.scaleDownWindow", "0s".to_owned(), &|settings| settings.scale_down_window = Some(0.0));
    }
    if decision.bound_by == Bound::MinReplicas {
        with("scaling.minReplicas", "0".to_owned(), &|settings| settings.min_replicas = 0);
    }
    if trace.law.is_some() && decision.granted >= decision.wanted {
        for factor in [0.5, 2.0] {
            let within = (now.start_within * factor).round().max(1.0);
            with("scaling.startWithin", format!("{within}s"), &|settings| settings.start_within = within);
        }
    }
    if decision.wanted == 0 && now.warm_slots == 0 {
        let slots = decision.prefetch;
        with("scaling.warmSlots", slots.to_string(), &|settings| settings.warm_slots = slots);
    }
    variations
}

/// Each limit that is below what is wanted, raised so far that it no longer is.
fn raise_limits(inputs: &Inputs, decision: &Decision, trace: &Trace, with: &mut Try<'_>) {
    let now = &inputs.settings;
    // What drains and terminates is still there while the others come.
    let elsewhere = trace.members.len() as u32 + trace.absent - trace.active;
    let terminating = inputs.observation.workers.iter().filter(|worker| worker.phase == WorkerPhase::Terminating);
    let replicas = decision.wanted.saturating_add(elsewhere).saturating_sub(terminating.count() as u32);
    if now.max_replicas < replicas {
        with("scaling.maxReplicas", replicas.to_string(), &|settings| settings.max_replicas = replicas);
    }
    if let (Some(most), Some(each)) = (now.max_memory, now.worker_memory) {
        let needed = f64::from(decision.wanted.saturating_add(elsewhere)) * each as f64;
        let needed = (needed / GIB).ceil() * GIB;
        if (most as f64) < needed {
            with("scaling.maxMemory", bytes(needed), &|settings| settings.max_memory = Some(needed as u64));
        }
    }
    if let (Some(most), Some(left), Some(law)) = (now.max_concurrency, trace.concurrency_left, trace.law) {
        let each = f64::from(decision.prefetch.max(1));
        let short = ((law.demand.slots - trace.slots) / each).ceil() * each;
        let needed = (f64::from(most) - left + short).ceil() as u32;
        if most < needed {
            with("scaling.maxConcurrency", needed.to_string(), &|settings| settings.max_concurrency = Some(needed));
        }
    }
}
