//! The decision in one line, as a colleague would put it.

use super::decision::Bound;
use super::settings::Mode;

/// What the line is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    pub ready: u64,
    pub in_flight: Option<u64>,
    /// Active workers and their slots before the decision.
    pub active: u32,
    pub slots: f64,
    pub wanted: u32,
    pub granted: u32,
    pub applied: u32,
    /// Workers that should have gone by now.
    pub waiting: u32,
    pub rollout: bool,
    pub blind: bool,
    /// Seconds the oldest task has waited, and D.
    pub oldest: Option<f64>,
    pub start_within: f64,
    /// Seconds until the window lets go.
    pub window_left: Option<f64>,
    /// What decided the number before workers were waited for, in its own words.
    pub because: &'a str,
}

/// The line, whatever decided.
pub(super) fn reason(facts: &Facts<'_>, bound: Bound, mode: Mode) -> String {
    let line = match bound {
        Bound::Hold => format!("{} as before: {}", stay(facts.applied), facts.because),
        Bound::Fallback => format!("{} as the fallback says: {}", workers(facts.granted), facts.because),
        Bound::ManualHold => facts.because.to_owned(),
        _ => format!("{}: {}", situation(facts), conclusion(facts, bound)),
    };
    match mode {
        Mode::Auto => line,
        Mode::Recommend => format!("recommends {}, changes nothing – {line}", workers(facts.granted)),
        Mode::Paused => format!("paused at {}; it would be {} – {line}", workers(facts.applied), facts.granted),
    }
}

/// "37 queued (oldest 12 s), 41 in flight, 48 slots on 12 workers"
fn situation(facts: &Facts<'_>) -> String {
    let queued = match (facts.ready, facts.oldest) {
        (0, _) => "nothing queued".to_owned(),
        (ready, Some(oldest)) => format!("{ready} queued (oldest {})", seconds(oldest)),
        (ready, None) => format!("{ready} queued"),
    };
    let running = match facts.in_flight {
        Some(0) => "nothing in flight".to_owned(),
        Some(in_flight) => format!("{in_flight} in flight"),
        None => "in flight unknown".to_owned(),
    };
    match facts.active {
        0 => format!("{queued}, {running}"),
        active => format!("{queued}, {running}, {} slots on {}", facts.slots as u64, workers(active)),
    }
}

fn conclusion(facts: &Facts<'_>, bound: Bound) -> String {
    let granted = workers(facts.granted);
    let promise = seconds(facts.start_within);
    match bound {
        Bound::BusyWorkers => format!("{granted} would do, {}", why_waiting(facts)),
        Bound::ScaleDownWindow => {
            let left = facts.window_left.map_or_else(String::new, |left| format!(" another {}", seconds(left)));
            format!("{} would do, {} stay{left} in case work returns", workers(facts.wanted), facts.granted)
        }
        Bound::Demand if facts.granted > facts.active => {
            format!("{granted}, so that each task starts within {promise}")
        }
        Bound::Demand if facts.granted == 0 => "no worker needed".to_owned(),
        Bound::Demand if facts.granted < facts.active => format!("{granted} will do"),
        Bound::Demand => {
            format!("{granted} {} each task within {promise}", if facts.granted == 1 { "starts" } else { "start" })
        }
        _ if facts.granted < facts.wanted => {
            format!("{} wanted, {} granted: {}", facts.wanted, facts.granted, facts.because)
        }
        _ => format!("{granted}: {}", facts.because),
    }
}

/// Why workers that should go are still there.
fn why_waiting(facts: &Facts<'_>) -> String {
    if facts.rollout {
        return "but a rollout is under way, and nothing is lowered until it ends".to_owned();
    }
    if facts.blind {
        return "but no worker's load can be seen, so none is stopped; set worker.statusPort, \
                or give the operator's broker user the tag monitoring"
            .to_owned();
    }
    match facts.waiting {
        1 => "1 more finishes its tasks first".to_owned(),
        waiting => format!("{waiting} more finish their tasks first"),
    }
}

fn stay(count: u32) -> String {
    match count {
        0 => "no worker".to_owned(),
        1 => "1 worker stays".to_owned(),
        count => format!("{count} workers stay"),
    }
}

fn workers(count: u32) -> String {
    match count {
        0 => "none".to_owned(),
        1 => "1 worker".to_owned(),
        count => format!("{count} workers"),
    }
}

/// Seconds as people say them: 12 s, 3 min, 2 h.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{} s", s.round() as u64),
        s if s < 7200.0 => format!("{} min", (s / 60.0).round() as u64),
        s => format!("{} h", (s / 3600.0).round() as u64),
    }
}
