//! The one place of decisions: what was seen goes in, what to do comes out.

use super::applied::{self, Applied};
use super::caps::{self, REFUSAL_REMEMBERED};
use super::decision::{Backlog, Bound, Decision, Estimates, Flags, Trust};
use super::explain::{self, Facts};
use super::fleet::Fleet;
use super::law::{Demand, Terms, free_slots};
use super::learn::{booting_ages, first_task_memory, learn};
use super::load::Sources;
use super::observation::{Observation, QueueCounts, QueueReading};
use super::plan::{self, Asked, Plan};
use super::prefetch::{Holding, prefetch};
use super::settings::{DrainSupport, Mode, Settings};
use super::state::State;
use super::time::Timestamp;
use super::window;

/// A reading older than this, or than three intervals, is stale, seconds.
const STALE_AFTER: f64 = 15.0;
const STALE_INTERVALS: f64 = 3.0;
/// Seconds a decision may stand though nothing new is read: ages grow, windows pass.
const LONGEST_CHECK: f64 = 15.0;
const SHORTEST_CHECK: f64 = 0.5;

/// Decides how many workers the pool has, and which of them may go.
///
/// Pure and repeatable: the same state, settings, observation and time give the same answer, and
/// deciding again on what was seen before changes nothing. `observation.replicas` must be at least
/// as new as the last write of it.
///
/// Guarantees, whatever the input:
/// * **Unknown is not zero**: an unknown or stale queue never lowers `applied`; only `fallback` raises it.
/// * `applied` never falls by a worker that is busy, or whose load cannot be seen.
/// * Growth never takes `applied` above a hard cap.
/// * The first decision after a start lowers nothing.
pub fn decide(state: &State, settings: &Settings, observation: &Observation, now: Timestamp) -> (State, Decision) {
    let mut state = state.clone();
    let now = if now.0.is_finite() && now >= state.now { now } else { state.now };
    let first = state.reading.is_none();
    state.now = now;
    let out_of_memory = learn(&mut state, settings, observation, now);

    let q = state.memory.bytes(first_task_memory(settings));
    let holding = prefetch(settings, q, state.prefetch);
    state.prefetch = Some(holding.tasks);
    let estimates = Estimates {
        arrivals_per_second: state.rate.per_second(now),
        task_duration: state.duration.mean(settings.task_duration),
        startup: state.startup.with_booting(booting_ages(&observation.workers, now)),
        task_memory: q,
    };
    let counts = match &observation.queue {
        QueueReading::Known(counts) => Some(counts),
        QueueReading::Unknown(_) => None,
    };
    let sources = Sources::new(counts, &observation.workers, state.in_flight.last_pick_up(), settings.reports, now);
    let fleet = Fleet::of(observation, &state, settings.drain, &sources, holding.tasks, now);
    let whole =
        state.in_flight.total(&observation.workers, settings.reports, state.started, now).map(|total| total.count);
    let view = View {
        first,
        fleet: &fleet,
        estimates,
        whole,
        trust: trust(&state, counts, now),
        blind: sources.blind(&observation.workers, state.started),
        now,
    };

    let mut plan = match view.trust {
        Trust::Known => by_law(&mut state, settings, &view),
        Trust::Stale | Trust::Unknown => hold(&mut state, settings, observation, &view),
    };
    if let Some(hold) = settings.hold_replicas {
        plan.hold_at(hold);
    }
    if view.trust == Trust::Known || plan.granted > fleet.active() {
        let refused = state.refused.is_some_and(|at| now.since(at) < REFUSAL_REMEMBERED);
        let single = counts.is_some_and(|counts| counts.single_active_consumer);
        let ceilings = caps::ceilings(settings, &fleet, single, refused);
        plan.cap(&ceilings, &fleet, view.resumable(settings.drain));
    }
    // On a queue that is not known nothing shrinks, a manual hold included.
    if view.trust != Trust::Known && plan.granted < fleet.active() {
        plan.set("hold", Bound::Hold, fleet.active(), || "nothing shrinks while the queue is not known".to_owned());
    }
    let applied = act(&mut state, settings, observation, &view, &plan);
    let decision = record(&state, settings, &view, &holding, plan, applied, out_of_memory);
    (state, decision)
}

/// What one decision looks at.
struct View<'a> {
    fleet: &'a Fleet<'a>,
    estimates: Estimates,
    /// N
    whole: Option<u64>,
    trust: Trust,
    /// Nothing was read before.
    first: bool,
    /// No worker's load is to be seen, though some have run for long enough.
    blind: bool,
    now: Timestamp,
}

impl View<'_> {
    fn resumable(&self, support: DrainSupport) -> u32 {
        match support {
            DrainSupport::IdleOnly => 0,
            DrainSupport::Protocol => self.fleet.draining(),
        }
    }
}

fn trust(state: &State, counts: Option<&QueueCounts>, now: Timestamp) -> Trust {
    let oldest = STALE_AFTER.max(STALE_INTERVALS * state.interval());
    match (counts, state.reading) {
        (Some(_), Some(reading)) if now.since(reading.at) <= oldest => Trust::Known,
        (Some(_), _) => Trust::Stale,
        (None, _) => Trust::Unknown,
    }
}

/// The law on what is known, with the window.
fn by_law(state: &mut State, settings: &Settings, view: &View<'_>) -> Plan {
    let (fleet, now) = (view.fleet, view.now);
    let ready = state.arrivals.total() as f64;
    let (interval, start_within) = (state.interval(), settings.start_within);
    let rate = view.estimates.arrivals_per_second;
    let mut terms = Terms {
        in_flight: fleet.in_flight(view.whole).unwrap_or(0.0),
        slots: fleet.slots(),
        task_duration: view.estimates.task_duration,
        startup: view.estimates.startup,
        interval,
        start_within,
        free_slots: free_slots(rate, state.startup.learned(), interval, start_within, settings.warm_slots),
    };
    let demand =
        if view.whole.is_some() { terms.demand(&state.arrivals, now) } else { blind(&mut terms, state, fleet, now) };

    let length = window::length(settings.scale_down_window, view.estimates.startup);
    // The size found at a start counts as a recommendation just made.
    let recommended = if view.first { demand.slots.max(terms.slots) } else { demand.slots };
    state.window.recommend(recommended, length, now);
    let asked = Asked {
        demand,
        in_flight: terms.in_flight,
        ready,
        window: state.window.most(),
        resumable: view.resumable(settings.drain),
    };
    let detail = format!(
        "{} slots: {} there, {} in flight, {ready} queued, {:.1} to keep free",
        demand.slots, terms.slots, terms.in_flight, terms.free_slots
    );
    plan::by_law(settings, fleet, &asked, detail)
}

/// In flight is not known: while tasks are queued, every worker that has been ready and shows
/// nothing is taken for full; the pool may grow and not shrink.
fn blind(terms: &mut Terms, state: &State, fleet: &Fleet<'_>, now: Timestamp) -> Demand {
    if state.arrivals.total() > 0 {
        terms.in_flight = fleet.in_flight_at_most();
    }
    // Free slots to keep cannot be told from full ones here, so they are asked for once, not on top.
    let demand = Terms { free_slots: 0.0, ..*terms }.demand(&state.arrivals, now);
    Demand { slots: demand.slots.max(terms.slots).max(terms.free_slots.ceil()), ..demand }
}

/// The queue is not known: what runs stays, and after a while the fallback raises it.
fn hold(state: &mut State, settings: &Settings, observation: &Observation, view: &View<'_>) -> Plan {
    let (fleet, now) = (view.fleet, view.now);
    // To hold is to recommend what there is: zeros before an outage do not count after it.
    let length = window::length(settings.scale_down_window, view.estimates.startup);
    state.window.recommend(fleet.slots(), length, now);
    let why = match &observation.queue {
        QueueReading::Unknown(unknown) => unknown.to_string(),
        QueueReading::Known(_) => "the last reading is too old".to_owned(),
    };
    let mut plan = Plan::hold(fleet.active(), Bound::Hold, why);
    if observation.replicas.is_none() {
        let before = state.restored.map_or(0, |restored| restored.replicas);
        let first = before.max(settings.min_replicas);
        plan.set("hold", Bound::Hold, first, || "there is nothing yet to hold".to_owned());
    }
    let known = state.reading.map_or(state.started, |reading| reading.at);
    if let Some(fallback) = settings.fallback.filter(|fallback| now.since(known) >= fallback.after)
        && plan.granted < fallback.replicas
    {
        plan.set("fallback", Bound::Fallback, fallback.replicas, || {
            format!("the queue is unknown for {}", explain::seconds(now.since(known)))
        });
    }
    plan
}

/// Acts on the plan, as far as the mode allows.
fn act(state: &mut State, settings: &Settings, observation: &Observation, view: &View<'_>, plan: &Plan) -> Applied {
    let fleet = view.fleet;
    match (settings.mode, observation.replicas) {
        (Mode::Auto, _) | (Mode::Recommend, None) if plan.bound == Bound::Hold && observation.replicas.is_some() => {
            applied::hold(state, fleet, fleet.desired, settings.drain, view.now)
        }
        (Mode::Auto, _) | (Mode::Recommend, None) => {
            let may_lower = view.trust == Trust::Known && !view.first;
            applied::apply(state, fleet, plan, settings.drain, settings.drain_timeout, may_lower, view.now)
        }
        (Mode::Recommend | Mode::Paused, replicas) => Applied { replicas: replicas.unwrap_or(0), ..Applied::default() },
    }
}

/// Seconds until the answer may differ though nothing is read: a queued task grows old, the window
/// passes, the fallback is due.
fn next_check(state: &State, settings: &Settings, view: &View<'_>, window_left: Option<f64>) -> f64 {
    let known = state.reading.map_or(state.started, |reading| reading.at);
    let fallback = settings.fallback.map(|fallback| fallback.after - view.now.since(known)).filter(|left| *left > 0.0);
    let aging = (state.arrivals.total() > 0).then(|| state.interval());
    let soonest = [window_left.filter(|left| *left > 0.0), fallback, aging];
    soonest.into_iter().flatten().fold(LONGEST_CHECK, f64::min).max(SHORTEST_CHECK)
}

fn record(
    state: &State,
    settings: &Settings,
    view: &View<'_>,
    holding: &Holding,
    mut plan: Plan,
    applied: Applied,
    out_of_memory: bool,
) -> Decision {
    let fleet = view.fleet;
    let ready = state.reading.map_or(0, |reading| reading.ready);
    if settings.mode == Mode::Paused {
        plan.bound = Bound::Paused;
    } else if settings.mode == Mode::Auto && applied.waiting > 0 && applied.replicas > plan.granted {
        plan.bound = Bound::BusyWorkers;
    }
    let length = window::length(settings.scale_down_window, view.estimates.startup);
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
        blind: view.blind,
        because: plan.steps.last().map_or("", |step| step.detail.as_str()),
        oldest: state.arrivals.oldest().map(|at| view.now.since(at).max(0.0)),
        start_within: settings.start_within,
        window_left,
    };
    let reason = explain::reason(&facts, plan.bound, settings.mode);
    Decision {
        at: view.now,
        wanted: plan.wanted,
        granted: plan.granted,
        applied: applied.replicas,
        bound_by: plan.bound,
        reason,
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
