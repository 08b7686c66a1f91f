//! The one place of decisions: what was seen goes in, what to do comes out.

use super::applied::{self, Applied, Pace};
use super::caps::{self, REFUSAL_REMEMBERED};
use super::decision::{Bound, Decision, Estimates, Trust};
use super::estimate::groups;
use super::explain;
use super::fleet::Fleet;
use super::law::{Demand, Terms, free_slots};
use super::learn::{booting_ages, first_task_memory, learn};
use super::load::{FRESH, Sources};
use super::observation::{Observation, Partitions, QueueReading};
use super::partitions;
use super::plan::{self, Asked, Plan};
use super::prefetch::prefetch;
use super::record::record;
use super::settings::{DrainSupport, Mode, Settings};
use super::state::{Remembered, State};
use super::time::Timestamp;
use super::trace::{Law, Trace};
use super::view::{View, trust};
use super::window;

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
    decide_telling(state, settings, observation, now, None)
}

/// The same, telling `trace` what it was made of.
pub(super) fn decide_telling(
    state: &State,
    settings: &Settings,
    observation: &Observation,
    now: Timestamp,
    mut trace: Option<&mut Trace>,
) -> (State, Decision) {
    let mut state = state.clone();
    let now = if now.0.is_finite() && now >= state.now { now } else { state.now };
    let observation = &*partitions::split(observation, now);
    state.note_size(observation.replicas, now);
    let first = state.reading.is_none();
    state.now = now;
    let mut known = state.recall(&observation.workers);
    let out_of_memory = learn(&mut state, &mut known, settings, observation, now);

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
    let trust = trust(&state, counts, now);
    state.listen(counts, trust, now);
    let last_pick_up = state.in_flight.last_pick_up();
    let (watched, reports, fresh) = (state.known_since, settings.reports, state.counts_fresh());
    let sources = Sources::new(counts, &observation.workers, last_pick_up, watched, reports, fresh, now);
    let fleet = Fleet::of(observation, &known, settings.drain, &sources, holding.tasks, now);
    let whole =
        state.in_flight.total(&observation.workers, settings.reports, state.started, now).map(|total| total.count);
    let view = View {
        first,
        fleet: &fleet,
        estimates,
        whole,
        trust,
        // Where SIGTERM is the drain, nobody has to be seen.
        blind: settings.drain != DrainSupport::Sigterm
            && state.silence(state.told_by_worker) > FRESH
            && sources.blind(&observation.workers, state.started),
        now,
    };

    let refused = state.refused.is_some_and(|at| now.since(at) < REFUSAL_REMEMBERED);
    let single = counts.is_some_and(|counts| counts.single_active_consumer);
    let partitions = counts.and_then(|counts| counts.partitions);
    if let Some(trace) = trace.as_deref_mut() {
        trace.see(&fleet, settings, single, partitions, refused);
    }
    let groups = counts.filter(|counts| counts.message_groups && trust == Trust::Known).map(|counts| {
        let seen = groups::Seen {
            waiting: state.arrivals.total() as f64,
            // As counted: what was just taken is added to N as far as slots are free, which would prove them useful.
            in_flight: counts.unacked.map(|unacked| unacked.count as f64),
            slots: fleet.ready_slots(),
            present: fleet.slots(),
            prefetch: f64::from(holding.tasks),
        };
        state.groups.learn(seen, now)
    });
    let mut plan = match view.trust {
        Trust::Known => by_law(&mut state, settings, &view, groups, trace),
        Trust::Stale | Trust::Unknown => hold(&mut state, settings, observation, &view),
    };
    if let Some(partitions) = partitions.filter(|_| view.trust == Trust::Known) {
        spread(&mut plan, &state, settings, &view, partitions);
    }
    // Whatever is hidden is done by the last worker, and shows.
    if counts.is_some_and(|counts| counts.unsettled) && plan.granted == 0 && fleet.active() > 0 {
        plan.set("unsettled", Bound::Unsettled, 1, || {
            "the queue looks empty, but its counts may be a minute old: the last worker stays until that is sure"
                .to_owned()
        });
    }
    if let Some(hold) = settings.hold_replicas {
        plan.hold_at(hold);
    }
    if view.trust == Trust::Known || plan.granted > fleet.active() {
        let ceilings = caps::ceilings(settings, &fleet, single, partitions, refused);
        plan.cap(&ceilings, settings, &fleet, view.resumable(settings.drain));
    }
    // On a queue that is not known nothing shrinks, a manual hold included.
    if view.trust != Trust::Known && plan.granted < fleet.active() {
        plan.set("hold", Bound::Hold, fleet.active(), || "nothing shrinks while the queue is not known".to_owned());
    }
    let applied = act(&mut known, settings, observation, &view, &plan, state.stepped);
    if applied.stepped {
        state.stepped = Some(now);
    }
    state.keep(&observation.workers, &known);
    let decision = record(&state, settings, &view, &holding, plan, applied, out_of_memory);
    (state, decision)
}

/// Where tasks lie in partitions: counts that divide them, and a rest after each change of size, for
/// every change moves partitions. Waking up and falling asleep move none that anybody works on.
fn spread(plan: &mut Plan, state: &State, settings: &Settings, view: &View<'_>, partitions: Partitions) {
    let active = view.fleet.active();
    if plan.granted > active {
        let even = partitions::evenly(plan.granted, partitions);
        plan.set("evenPartitions", plan.bound, even, || {
            format!("{even} workers divide {} partitions more evenly", partitions.assignable)
        });
    }
    let rest = partitions::rest(plan.granted > active, view.estimates.task_duration, settings.start_within);
    let since = state.resized.map_or(f64::INFINITY, |at| view.now.since(at));
    if active > 0 && plan.granted > 0 && since < rest {
        plan.set("rebalance", Bound::Rebalance, active, || {
            format!("the size changed {} ago: partitions still move", explain::seconds(since))
        });
    }
}

/// The law on what is known, with the window.
fn by_law(
    state: &mut State,
    settings: &Settings,
    view: &View<'_>,
    groups: Option<f64>,
    trace: Option<&mut Trace>,
) -> Plan {
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
    if let Some(trace) = trace {
        trace.law = Some(Law { terms, demand, ready, in_flight_known: view.whole.is_some() });
    }

    let length = window::length(settings, view.estimates.startup);
    // The size found at a start counts as a recommendation just made.
    let recommended = if view.first { demand.slots.max(terms.slots) } else { demand.slots };
    state.window.recommend(recommended, length, now);
    let asked = Asked {
        demand,
        in_flight: terms.in_flight,
        ready,
        window: state.window.most(),
        resumable: view.resumable(settings.drain),
        groups,
    };
    let detail = format!(
        "{} slots: {} there, {} in flight, {} queued, {} to keep free",
        demand.slots as u64,
        terms.slots as u64,
        terms.in_flight as u64,
        ready as u64,
        terms.free_slots.ceil() as u64,
    );
    plan::by_law(settings, fleet, &asked, detail)
}

/// In flight is not known: while tasks are queued, every worker that shows nothing and was ready well
/// before the queue was read is taken for full; the pool may grow and not shrink.
///
/// Not in an outage of the broker and right after it, nor after a start: the source of in flight may go
/// before the queue's and come back after it, and what workers held is queued again by then.
fn blind(terms: &mut Terms, state: &State, fleet: &Fleet<'_>, now: Timestamp) -> Demand {
    if state.arrivals.total() > 0 {
        let silent = state.silence(state.told) > FRESH;
        let read = state.reading.filter(|_| silent).map_or(Timestamp(f64::NEG_INFINITY), |reading| reading.at);
        terms.in_flight = fleet.in_flight_at_most(read.plus(-state.interval()));
    }
    // Free slots to keep cannot be told from full ones here, so they are asked for once, not on top.
    let demand = Terms { free_slots: 0.0, ..*terms }.demand(&state.arrivals, now);
    Demand { slots: demand.slots.max(terms.slots).max(terms.free_slots.ceil()), ..demand }
}

/// The queue is not known: what runs stays, and after a while the fallback raises it.
fn hold(state: &mut State, settings: &Settings, observation: &Observation, view: &View<'_>) -> Plan {
    let (fleet, now) = (view.fleet, view.now);
    // To hold is to recommend what there is: zeros before an outage do not count after it.
    let length = window::length(settings, view.estimates.startup);
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
fn act(
    known: &mut [Remembered],
    settings: &Settings,
    observation: &Observation,
    view: &View<'_>,
    plan: &Plan,
    stepped: Option<Timestamp>,
) -> Applied {
    let fleet = view.fleet;
    match (settings.mode, observation.replicas) {
        (Mode::Auto, _) | (Mode::Recommend, None) if plan.bound == Bound::Hold && observation.replicas.is_some() => {
            applied::hold(known, fleet, fleet.desired, settings.drain, view.now)
        }
        (Mode::Auto, _) | (Mode::Recommend, None) => {
            let may_lower = view.trust == Trust::Known && !view.first;
            let pace = Pace { support: settings.drain, timeout: settings.drain_timeout, may_lower, stepped };
            applied::apply(known, fleet, plan, pace, view.now)
        }
        (Mode::Recommend | Mode::Paused, replicas) => Applied { replicas: replicas.unwrap_or(0), ..Applied::default() },
    }
}
