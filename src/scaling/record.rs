//! The decision as a value that status, events, metrics and people are told from.

use super::applied::Applied;
use super::caps::bytes;
use super::decision::{Backlog, Bound, Decision, Flags, Step};
use super::explain::{self, Facts};
use super::plan::Plan;
use super::prefetch::Holding;
use super::settings::{DrainSupport, Mode, Settings};
use super::state::State;
use super::view::View;
use super::window;

/// Seconds a decision may stand though nothing new is read: ages grow, windows pass.
const LONGEST_CHECK: f64 = 15.0;
const SHORTEST_CHECK: f64 = 0.5;

pub(super) fn record(
    state: &State,
    settings: &Settings,
    view: &View<'_>,
    holding: &Holding,
    mut plan: Plan,
    applied: Applied,
    out_of_memory: bool,
) -> Decision {
    let fleet = view.fleet;
    // Pods that a rollout surges above the replicas asked for are its own business.
    let surge = if fleet.rollout { (fleet.active() + fleet.draining()).saturating_sub(fleet.desired) } else { 0 };
    plan.wanted = plan.wanted.saturating_sub(surge);
    plan.granted = plan.granted.saturating_sub(surge);
    let because = plan.steps.last().map_or_else(String::new, |step| step.detail.clone());
    if settings.mode == Mode::Paused {
        plan.bound = Bound::Paused;
    } else if settings.mode == Mode::Auto && applied.waiting > 0 && applied.replicas > plan.granted {
        plan.bound = Bound::BusyWorkers;
        let detail = format!("{} should go and cannot yet", applied.waiting);
        plan.steps.push(Step { name: "busyWorkers", replicas: applied.replicas, detail });
    }
    if let Some(detail) = memory_note(settings, view, holding, out_of_memory) {
        plan.steps.insert(0, Step { name: "prefetch", replicas: fleet.active(), detail });
    }
    let ready = state.reading.map_or(0, |reading| reading.ready);
    let length = window::length(settings, view.estimates.startup);
    let window_left = state.window.expires_in(length, view.now);
    let facts = Facts {
        ready,
        in_flight: view.whole,
        active: fleet.active(),
        slots: fleet.slots(),
        wanted: plan.wanted,
        granted: plan.granted,
        applied: applied.replicas,
        waiting: applied.waiting,
        rollout: fleet.rollout,
        one_by_one: settings.drain == DrainSupport::Sigterm,
        blind: view.blind,
        oldest: state.arrivals.oldest().map(|at| view.now.since(at).max(0.0)),
        start_within: settings.start_within,
        window_left,
        because: &because,
    };
    Decision {
        at: view.now,
        wanted: plan.wanted,
        granted: plan.granted,
        applied: applied.replicas,
        bound_by: plan.bound,
        reason: explain::reason(&facts, plan.bound, settings.mode),
        trust: view.trust,
        victims: applied.victims,
        draining: applied.draining,
        drain: applied.drain,
        resume: applied.resume,
        prefetch: holding.tasks,
        backlog: Backlog { ready, in_flight: view.whole, since: state.since },
        estimates: view.estimates,
        flags: Flags {
            scale_down_blind: view.blind,
            memory_limit_missing: holding.limit_missing,
            memory_limit_too_small: holding.needed.is_some(),
            out_of_memory,
            limited: plan.limited,
            fallback: plan.bound == Bound::Fallback,
            drain_overdue: applied.overdue,
            rollout: fleet.rollout,
        },
        steps: plan.steps,
        next_check: next_check(state, settings, view, window_left),
    }
}

/// What there is to say about the workers' memory.
fn memory_note(settings: &Settings, view: &View<'_>, holding: &Holding, out_of_memory: bool) -> Option<String> {
    let task = || bytes(view.estimates.task_memory as f64);
    if let Some(needed) = holding.needed {
        let limit = bytes(settings.container_memory.unwrap_or(0) as f64);
        let needed = bytes(needed as f64);
        return Some(format!("a memory limit of {limit} is too small for one task of {}: {needed} would do", task()));
    }
    out_of_memory
        .then(|| format!("a worker ran out of memory: a task is taken for {} now, {} at once", task(), holding.tasks))
}

/// Seconds until the answer may differ though nothing is read: a queued task grows old, the window
/// passes, the fallback is due.
fn next_check(state: &State, settings: &Settings, view: &View<'_>, window_left: Option<f64>) -> f64 {
    let known = state.reading.map_or(state.started, |reading| reading.at);
    let fallback = settings.fallback.map(|fallback| fallback.after - view.now.since(known));
    let aging = (state.arrivals.total() > 0).then(|| state.interval());
    let soonest = [window_left, fallback, aging].into_iter().flatten().filter(|left| *left > 0.0);
    soonest.fold(LONGEST_CHECK, f64::min).max(SHORTEST_CHECK)
}
