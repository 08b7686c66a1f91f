//! The decision in one line, as a colleague would put it.

use super::decision::Bound;

/// What the line is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub ready: u64,
    pub in_flight: Option<u64>,
    /// Active workers and their slots before the decision.
    pub active: u32,
    pub slots: f64,
    pub wanted: u32,
    pub granted: u32,
    pub waiting: u32,
    /// Seconds the oldest task has waited, and D.
    pub oldest: Option<f64>,
    pub start_within: f64,
    /// Seconds until the window lets go.
    pub window_left: Option<f64>,
}

/// What the queue holds: "37 queued (oldest 12 s), 41 in flight on 12 workers".
pub(super) fn situation(facts: &Facts) -> String {
    let queued = match (facts.ready, facts.oldest) {
        (0, _) => "nothing queued".to_owned(),
        (ready, Some(oldest)) => format!("{ready} queued (oldest {})", seconds(oldest)),
        (ready, None) => format!("{ready} queued"),
    };
    let running = match (facts.in_flight, facts.active) {
        (Some(0), 0) => "nothing in flight".to_owned(),
        (Some(0), active) => format!("nothing in flight on {}", workers(active)),
        (Some(in_flight), active) => format!("{in_flight} in flight, {} slots on {}", facts.slots, workers(active)),
        (None, active) => format!("in flight unknown, {} slots on {}", facts.slots, workers(active)),
    };
    format!("{queued}, {running}")
}

/// The line for a decision made on a known queue; `because` is the last step's own words.
pub(super) fn reason(facts: &Facts, bound: Bound, because: &str) -> String {
    let situation = situation(facts);
    let promise = seconds(facts.start_within);
    match bound {
        Bound::BusyWorkers => {
            format!("{situation}: {} would do, {} still to finish first", workers(facts.granted), facts.waiting)
        }
        Bound::ScaleDownWindow => {
            let left = facts.window_left.map_or_else(String::new, |left| format!(" for another {}", seconds(left)));
            format!(
                "{situation}: {} would do, {} kept{left} in case work returns",
                workers(facts.wanted),
                facts.granted
            )
        }
        Bound::Demand if facts.granted > facts.active => {
            format!("{situation}: {} so that each task starts within {promise}", workers(facts.granted))
        }
        Bound::Demand if facts.granted < facts.active => format!("{situation}: {} will do", workers(facts.granted)),
        Bound::Demand if facts.granted == 0 => format!("{situation}: no worker needed"),
        Bound::Demand => format!("{situation}: {} start each task within {promise}", workers(facts.granted)),
        _ if facts.granted < facts.wanted => {
            format!("{situation}: {} wanted, {} granted, because {because}", facts.wanted, facts.granted)
        }
        _ => format!("{situation}: {}, because {because}", workers(facts.granted)),
    }
}

pub(super) fn workers(count: u32) -> String {
    match count {
        1 => "1 worker".to_owned(),
        count => format!("{count} workers"),
    }
}

/// Seconds as people say them: 12 s, 3 min, 2 h.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{} s", s.round()),
        s if s < 7200.0 => format!("{} min", (s / 60.0).round()),
        s => format!("{} h", (s / 3600.0).round()),
    }
}
