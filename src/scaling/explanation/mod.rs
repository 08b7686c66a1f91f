//! A decision taken apart, for people.
//!
//! The ordinary decision keeps nothing but its inputs, which are values: state, settings,
//! observation and time. Whoever asks why gets the very same `decide` run again on them, with its
//! terms told, and again with other settings for what would change the answer.

mod ages;
mod limits;
mod reading;
mod sizes;
mod what_if;
mod workers;

pub use ages::{Ages, Bin};
pub use limits::Limit;
pub use reading::{Reading, Reported};
pub use sizes::Size;
pub use what_if::WhatIf;
pub use workers::{Verdict, WorkerFacts};

use std::sync::Arc;

use super::decide::decide_telling;
use super::decision::Decision;
use super::estimate::Evidence;
use super::observation::Observation;
use super::settings::Settings;
use super::state::State;
use super::time::Timestamp;
use super::trace::{Law, Trace};
use super::window;

/// All that one decision was made from.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// As it was before the decision.
    pub state: State,
    pub settings: Settings,
    pub observation: Arc<Observation>,
    pub at: Timestamp,
}

/// The decision, and every number that was in it. Seconds and tasks.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub decision: Decision,
    pub reading: Reading,
    pub ages: Ages,
    /// T
    pub interval: f64,
    pub duration: Learned,
    pub startup: Learned,
    pub memory: Learned,
    /// `None` while the queue is not known: what runs is held, and the law is not asked.
    pub law: Option<Law>,
    pub window: WindowFacts,
    pub limits: Vec<Limit>,
    pub what_if: Vec<WhatIf>,
    /// Active workers and their slots before the decision.
    pub active: u32,
    pub slots: f64,
    /// Asked for, but no pod yet.
    pub absent: u32,
    pub workers: Vec<WorkerFacts>,
    pub sizes: Vec<Size>,
}

/// How much stands behind an estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Learned {
    pub evidence: Evidence,
    /// When it last learned something; `None` = not since the operator started.
    pub at: Option<Timestamp>,
}

/// The scale-down window at the decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowFacts {
    pub length: f64,
    /// The largest recommendation in it, slots.
    pub most: f64,
    /// Seconds until that one is forgotten.
    pub left: Option<f64>,
}

/// Runs the decision again and tells what it was made of.
pub fn explain(inputs: &Inputs) -> Explanation {
    let Inputs { state, settings, observation, at } = inputs;
    let mut trace = Trace::default();
    let (after, decision) = decide_telling(state, settings, observation, *at, Some(&mut trace));
    let now = decision.at;
    let length = window::length(settings, decision.estimates.startup);
    Explanation {
        reading: reading::of(&after, settings, observation, now),
        ages: ages::of(&after.arrivals, now),
        interval: after.interval(),
        duration: Learned { evidence: after.duration.evidence(), at: after.learned.duration },
        startup: Learned { evidence: after.startup.evidence(), at: after.learned.startup },
        memory: Learned { evidence: after.memory.evidence(), at: after.learned.memory },
        window: WindowFacts { length, most: after.window.most(), left: after.window.expires_in(length, now) },
        limits: limits::of(settings, &decision, &trace),
        what_if: what_if::of(inputs, &decision, &trace),
        workers: workers::of(&observation.workers, &trace.members, &decision, now),
        sizes: sizes::of(settings, &decision),
        law: trace.law,
        active: trace.active,
        slots: trace.slots,
        absent: trace.absent,
        decision,
    }
}
