//! What one observation adds to the state: everything but the decision.

use super::arrivals::Arrivals;
use super::observation::{Counted, Observation, QueueCounts, QueueReading, Report, Worker, WorkerPhase};
use super::settings::{Prefetch, Settings};
use super::state::{LONGEST_INTERVAL, Reading, Remembered, State};
use super::time::Timestamp;

/// Seconds that one report or reading can stand for: after an outage nobody knows what happened in it.
const LONGEST_STEP: f64 = 60.0;
/// Seconds for which the most work seen is remembered, so that sources of different age that take
/// turns do not invent arrivals: longer than the slowest source lags.
const NOISE: f64 = 15.0;

/// Takes in an observation. A reading or a report that was taken in before adds nothing.
/// Answers whether a worker ran out of memory anew.
pub(super) fn learn(
    state: &mut State,
    known: &mut [Remembered],
    settings: &Settings,
    observation: &Observation,
    now: Timestamp,
) -> bool {
    state.in_flight.forget(state.counts_fresh(), now);
    state.in_flight.heard(&observation.workers);
    let mut out_of_memory = false;
    for (worker, remembered) in observation.workers.iter().zip(known) {
        if let Some(report) = &worker.report {
            take_report(state, settings, worker, report, remembered);
        }
        take_startup(state, worker, remembered);
        out_of_memory |= take_oom(state, worker, remembered);
    }
    if out_of_memory {
        let prefetch = state.prefetch.unwrap_or(1);
        state.memory.out_of_memory(first_task_memory(settings), prefetch);
    }
    if let QueueReading::Known(counts) = &observation.queue {
        take_reading(state, settings, counts, observation, now);
    }
    if observation.growth_refused.is_some() {
        state.refused = Some(now);
    }
    out_of_memory
}

/// The start value of q.
pub(super) fn first_task_memory(settings: &Settings) -> u64 {
    match settings.prefetch {
        Prefetch::Auto { task_memory, .. } => task_memory,
        Prefetch::Fixed(_) => 0,
    }
}

fn take_report(state: &mut State, settings: &Settings, worker: &Worker, report: &Report, remembered: &mut Remembered) {
    let before = *remembered;
    if before.report_at.is_some_and(|at| report.at <= at) {
        return;
    }
    let finished = report.completed.map(|completed| completed.saturating_add(report.failed.unwrap_or(0)));
    let busy = report.busy_seconds.filter(|busy| busy.is_finite() && *busy >= 0.0);
    let elapsed = before.report_at.map_or(0.0, |at| report.at.since(at)).clamp(0.0, LONGEST_STEP);

    // A worker met for the first time brings its whole history with it, which is not news unless
    // it was born after we began to listen. A counter that fell was reset by a restart.
    let born_here = worker.created >= state.started;
    if let Some(finished) = finished {
        state.flow.reports_finished = true;
        state.flow.finished += growth(before.finished.map(|n| n as f64), finished as f64, born_here);
    }
    if let Some(busy) = busy {
        state.flow.reports_busy = true;
        state.flow.busy += growth(before.busy, busy, born_here);
    }
    if let Some(bytes) = report.task_peak_memory_bytes {
        let task_duration = state.duration.mean(settings.task_duration);
        state.learned.memory = Some(report.at);
        state.memory.record(bytes, f64::from(report.in_flight.min(worker.slots)) * elapsed / task_duration);
    }
    remembered.report_at = Some(report.at);
    remembered.finished = finished.or(remembered.finished);
    remembered.busy = busy.or(remembered.busy);
}

/// How much a counter grew.
fn growth(before: Option<f64>, after: f64, born_here: bool) -> f64 {
    match before {
        Some(before) if after >= before => after - before,
        Some(_) => after,
        None if born_here => after,
        None => 0.0,
    }
}

fn take_startup(state: &mut State, worker: &Worker, remembered: &mut Remembered) {
    let Some(first_ready) = worker.first_ready.filter(|_| !remembered.started) else { return };
    // Of older pods it is not known when they were ready *first*.
    if worker.created >= state.started {
        state.learned.startup = Some(first_ready);
        state.startup.record(first_ready.since(worker.created));
    }
    remembered.started = true;
}

/// Ages of pods that boot. A container that restarts does not boot, it fails.
pub(super) fn booting_ages(workers: &[Worker], now: Timestamp) -> impl Iterator<Item = f64> {
    workers
        .iter()
        .filter(|worker| {
            worker.first_ready.is_none() && worker.restarts == 0 && worker.phase != WorkerPhase::Terminating
        })
        .map(move |worker| now.since(worker.created))
}

/// Counts an OOM once, and only of a worker that held no more than is allowed now: what a larger
/// prefetch did has been answered already.
fn take_oom(state: &State, worker: &Worker, remembered: &mut Remembered) -> bool {
    if !worker.oom_killed || remembered.oom == Some(worker.restarts) {
        return false;
    }
    remembered.oom = Some(worker.restarts);
    state.prefetch.is_none_or(|prefetch| worker.slots <= prefetch)
}

fn take_reading(
    state: &mut State,
    settings: &Settings,
    counts: &QueueCounts,
    observation: &Observation,
    now: Timestamp,
) {
    let seen = state.reading.is_some_and(|last| counts.at <= last.at);
    if seen || !counts.at.0.is_finite() {
        return;
    }
    if let Some(unacked) = counts.unacked.or_else(|| sum_by_worker(counts)) {
        state.in_flight.counted(unacked, state.counts_fresh(), now);
    }
    let last = state.reading;
    if let Some(last) = last {
        state.in_flight.picked_up(last.ready.saturating_sub(counts.ready), counts.at);
    }
    let total = state.in_flight.total(&observation.workers, settings.reports, state.started, now);
    // What is only assumed teaches nothing about arrivals and durations.
    let in_flight = total.filter(|total| total.counted).map(|total| total.count);
    state.in_flight.settle(in_flight);
    let reading = Reading { at: counts.at, ready: counts.ready, in_flight };
    match last {
        Some(last) => take_flow(state, settings, last, reading),
        None => take_first(state, reading),
    }
    state.since = match state.since {
        _ if counts.ready == 0 => None,
        Some(since) => Some(since),
        None => Some(counts.at),
    };
    state.reading = Some(reading);
}

fn sum_by_worker(counts: &QueueCounts) -> Option<Counted> {
    counts.unacked_by_worker.as_ref().map(|map| Counted {
        count: map.counts.values().fold(0, |sum: u64, count| sum.saturating_add(*count)),
        at: map.at,
    })
}

/// The first reading: what is queued has arrived at unknown times. After a restart the rate and
/// `since` of status say when; without them, now.
fn take_first(state: &mut State, reading: Reading) {
    let since = state.restored.and(state.since).unwrap_or(reading.at);
    let per_second = state.rate.per_second(reading.at);
    state.arrivals = Arrivals::spread(reading.ready, since, per_second, reading.at);
    state.flow.high = reading.in_flight.map(|n| (work(&reading, n, state.flow.finished), reading.at));
}

/// Ready, in flight and finished together: all work seen so far.
fn work(reading: &Reading, in_flight: u64, finished: f64) -> f64 {
    reading.ready as f64 + in_flight as f64 + finished
}

/// Arrivals and pick-ups between two readings, and what they teach.
///
/// Arrivals are the rise of `ready + in flight + completed`, at least the rise of ready. Where
/// completions are not reported, the fall of `ready + in flight` stands for them; where only ready
/// is known, `max(0, Δready)` came in and `max(0, −Δready)` went out, which errs towards older.
fn take_flow(state: &mut State, settings: &Settings, last: Reading, reading: Reading) {
    let elapsed = reading.at.since(last.at).max(0.0);
    state.record_interval(elapsed);
    let rise = reading.ready as f64 - last.ready as f64;
    let total_rise = match (last.in_flight, reading.in_flight) {
        (Some(before), Some(after)) => Some(rise + after as f64 - before as f64),
        _ => None,
    };
    let finished = state.flow.finished - state.flow.finished_used;
    if !state.flow.reports_finished {
        // The first report must not make all that is there look as if it came just now.
        state.flow.high = reading.in_flight.map(|n| (work(&reading, n, state.flow.finished), reading.at));
    }
    let arrived = match (total_rise, reading.in_flight) {
        (Some(_), Some(in_flight)) if state.flow.reports_finished => rise_of_work(state, &reading, in_flight),
        (Some(total_rise), _) => total_rise,
        (None, _) => 0.0,
    };
    let arrived = arrived.max(rise).max(0.0);
    if let Some(in_flight) = last.in_flight.filter(|_| total_rise.is_some()) {
        let completions =
            if state.flow.reports_finished { finished } else { (arrived - total_rise.unwrap_or(0.0)).max(0.0) };
        let busy = state.flow.busy - state.flow.busy_used;
        let step = elapsed.min(LONGEST_STEP);
        let task_seconds = if state.flow.reports_busy { busy } else { in_flight as f64 * step };
        if completions > 0.0 {
            state.learned.duration = Some(reading.at);
        }
        state.duration.record(task_seconds, completions, elapsed);
        state.flow.passed.completed = state.flow.passed.completed.saturating_add(completions as u64);
    }
    if last.in_flight.is_some_and(|n| n > 0) {
        state.memory.decay(elapsed, state.duration.mean(settings.task_duration));
    }
    state.flow.passed.arrived = state.flow.passed.arrived.saturating_add(arrived as u64);
    state.flow.finished_used = state.flow.finished;
    state.flow.busy_used = state.flow.busy;
    state.arrivals.arrive(arrival_time(last.at, elapsed), arrived as u64);
    state.arrivals.pick_up((arrived - rise).max(0.0) as u64);
    agree(&mut state.arrivals, reading.ready, last.at);
    state.rate.record(arrived as u64, reading.at);
}

/// The list holds as many tasks as the queue; sums of huge counts may have been rounded.
fn agree(arrivals: &mut Arrivals, ready: u64, last: Timestamp) {
    arrivals.arrive(last, ready.saturating_sub(arrivals.total()));
    arrivals.pick_up(arrivals.total().saturating_sub(ready));
}

/// When tasks arrived that came between two readings: half way, and after an outage, when half way
/// could be a minute wrong, right after the last reading.
fn arrival_time(last: Timestamp, elapsed: f64) -> Timestamp {
    if elapsed > LONGEST_INTERVAL { last } else { last.plus(elapsed / 2.0) }
}

/// How far all work seen has risen above the most seen lately.
fn rise_of_work(state: &mut State, reading: &Reading, in_flight: u64) -> f64 {
    let now = work(reading, in_flight, state.flow.finished);
    let Some((high, at)) = state.flow.high else {
        state.flow.high = Some((now, reading.at));
        return 0.0;
    };
    if now >= high || reading.at.since(at) > NOISE {
        state.flow.high = Some((now, reading.at));
    }
    now - high
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::decide;
    use crate::scaling::decision::Decision;
    use crate::scaling::tests::fixtures::{self, GI, MI, queue, report, worker};

    /// Decides on each of (second, observation) in turn.
    fn decisions(settings: &Settings, seen: Vec<(f64, Observation)>) -> Vec<Decision> {
        let mut state = State::new(Timestamp(seen[0].0));
        let mut decisions = Vec::new();
        for (second, observation) in seen {
            let (after, decision) = decide(&state, settings, &observation, Timestamp(second));
            state = after;
            decisions.push(decision);
        }
        decisions
    }

    fn automatic() -> Settings {
        let prefetch =
            Prefetch::Auto { min: 1, max: 16, base_memory: 256 * MI, task_memory: 300 * MI, headroom_percent: 20 };
        Settings { prefetch, container_memory: Some(2 * GI), ..fixtures::settings() }
    }

    #[test]
    fn a_steady_stream_through_full_workers_shows_its_rate_and_duration() {
        // Two workers of four slots, always full; a task of 8 s ends, and one arrives, every second.
        let seen = |second: u32| {
            let at = f64::from(second);
            let busy = |name: &str, completed: u32| fixtures::Worker {
                report: Some(Report { completed: Some(u64::from(completed)), ..report(4, at) }),
                ..worker(name)
            };
            (at, fixtures::observation(queue(6, 8, at), vec![busy("a", second / 2), busy("b", second.div_ceil(2))]))
        };
        let last = decisions(&fixtures::settings(), (0..1500).map(seen).collect()).pop().unwrap();
        let estimates = last.estimates;
        assert!((estimates.arrivals_per_second - 1.0).abs() < 0.05, "{}", estimates.arrivals_per_second);
        assert!((estimates.task_duration - 8.0).abs() < 0.5, "{}", estimates.task_duration);
    }

    #[test]
    fn sources_that_take_turns_invent_no_arrivals() {
        // Four tasks run and nothing arrives; the broker's count comes and goes 5 s late.
        let seen = |second: u32| {
            let at = f64::from(second);
            let unacked = if second % 10 < 5 { 4 } else { 2 };
            let busy = fixtures::Worker { report: Some(Report { completed: Some(0), ..report(2, at) }), ..worker("a") };
            (at, fixtures::observation(queue(3, unacked, at), vec![busy]))
        };
        let last = decisions(&fixtures::settings(), (0..200).map(seen).collect()).pop().unwrap();
        assert!(last.estimates.arrivals_per_second <= 2.0 / 300.0, "{}", last.estimates.arrivals_per_second);
    }

    #[test]
    fn the_first_report_makes_no_task_younger_and_none_twice() {
        let seen = |at: f64, ready: u64, pods: Vec<fixtures::Worker>| {
            let unacked = pods.iter().filter(|pod| pod.report.is_some()).count() as u64;
            (at, fixtures::observation(queue(ready, unacked, at), pods))
        };
        let silent = || fixtures::Worker { created: Timestamp(2.0), first_ready: None, ..worker("a") };
        let busy = fixtures::Worker {
            report: Some(Report { completed: Some(0), ..report(1, 31.0) }),
            first_ready: Some(Timestamp(30.0)),
            ..silent()
        };
        let told = decisions(
            &fixtures::settings(),
            vec![
                seen(0.0, 0, vec![]),
                seen(1.0, 60, vec![]),
                seen(2.0, 60, vec![silent()]),
                seen(31.0, 59, vec![busy]),
            ],
        );
        let last = told.last().unwrap();
        assert_eq!(last.estimates.arrivals_per_second, 60.0 / 300.0);
        assert!(last.reason.contains("oldest 31 s"), "{}", last.reason);
    }

    #[test]
    fn a_start_is_learned_once_and_only_of_pods_born_here() {
        let born = |name: &str, created: f64, took: f64| fixtures::Worker {
            created: Timestamp(created),
            first_ready: Some(Timestamp(created + took)),
            ..worker(name)
        };
        let pods: Vec<_> = (0..20).map(|i| born(&i.to_string(), 100.0, 7.0)).chain([born("old", 5.0, 90.0)]).collect();
        let seen = (0..5).map(|i| 100.0 + f64::from(i) * 10.0);
        let seen = seen.map(|at| (at, fixtures::observation(queue(0, 1, at), pods.clone()))).collect();
        let last = decisions(&fixtures::settings(), seen).pop().unwrap();
        assert_eq!(last.estimates.startup.to_string(), "7");
    }

    #[test]
    fn an_oom_lowers_prefetch_once() {
        let killed = |slots: u32, restarts: u32| fixtures::Worker { oom_killed: true, restarts, slots, ..worker("a") };
        let seen = |at: f64, pod: fixtures::Worker| (at, fixtures::observation(queue(0, 4, at), vec![pod]));
        let told = decisions(
            &automatic(),
            vec![
                seen(0.0, worker("a")),
                seen(1.0, killed(4, 1)),
                // The same kill told twice, then one more that the larger prefetch caused.
                seen(2.0, killed(4, 1)),
                seen(3.0, killed(4, 2)),
            ],
        );
        let prefetch: Vec<u32> = told.iter().map(|decision| decision.prefetch).collect();
        let out_of_memory: Vec<bool> = told.iter().map(|decision| decision.flags.out_of_memory).collect();
        assert_eq!(prefetch, [4, 3, 3, 3]);
        assert_eq!(out_of_memory, [false, true, false, false]);
    }
}
