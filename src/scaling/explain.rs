//! The decision in one line, as a colleague would put it.

use std::fmt::{self, Display, Formatter, Write as _};

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
    /// Workers that may be busy are made to go, one at a time.
    pub one_by_one: bool,
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
    // Made at each decision: piece by piece into one string that is long enough.
    let mut line = String::with_capacity(256);
    // Writing to a string cannot fail.
    let _ = preface(&mut line, facts, mode).and_then(|()| body(&mut line, facts, bound));
    line
}

/// What the mode makes of the decision.
fn preface(line: &mut String, facts: &Facts<'_>, mode: Mode) -> fmt::Result {
    match mode {
        Mode::Auto => Ok(()),
        Mode::Recommend => write!(line, "recommends {}, changes nothing – ", workers(facts.granted)),
        Mode::Paused => write!(line, "paused at {}; it would be {} – ", workers(facts.applied), facts.granted),
    }
}

fn body(line: &mut String, facts: &Facts<'_>, bound: Bound) -> fmt::Result {
    match bound {
        Bound::Hold => write!(line, "{} as before: {}", stay(facts.applied), facts.because),
        Bound::Fallback => write!(line, "{} as the fallback says: {}", workers(facts.granted), facts.because),
        Bound::ManualHold => line.write_str(facts.because),
        _ => {
            situation(line, facts)?;
            line.write_str(": ")?;
            conclusion(line, facts, bound)
        }
    }
}

/// "37 queued (oldest 12 s), 41 in flight, 48 slots on 12 workers"
fn situation(line: &mut String, facts: &Facts<'_>) -> fmt::Result {
    match (facts.ready, facts.oldest) {
        (0, _) => line.write_str("nothing queued, ")?,
        (ready, Some(oldest)) => write!(line, "{ready} queued (oldest {}), ", seconds(oldest))?,
        (ready, None) => write!(line, "{ready} queued, ")?,
    }
    match facts.in_flight {
        Some(0) => line.write_str("nothing in flight")?,
        Some(in_flight) => write!(line, "{in_flight} in flight")?,
        None => line.write_str("in flight unknown")?,
    }
    match facts.active {
        0 => Ok(()),
        active => write!(line, ", {} slots on {}", facts.slots as u64, workers(active)),
    }
}

fn conclusion(line: &mut String, facts: &Facts<'_>, bound: Bound) -> fmt::Result {
    let granted = workers(facts.granted);
    let promise = seconds(facts.start_within);
    match bound {
        Bound::BusyWorkers => {
            write!(line, "{granted} would do, ")?;
            why_waiting(line, facts)
        }
        Bound::ScaleDownWindow => {
            write!(line, "{} would do, {} stay", workers(facts.wanted), facts.granted)?;
            if let Some(left) = facts.window_left {
                write!(line, " another {}", seconds(left))?;
            }
            line.write_str(" in case work returns")
        }
        Bound::Demand if facts.granted > facts.active => {
            write!(line, "{granted}, so that each task starts within {promise}")
        }
        Bound::Demand if facts.granted == 0 => line.write_str("no worker needed"),
        Bound::Demand if facts.granted < facts.active => write!(line, "{granted} will do"),
        Bound::Demand => {
            let start = if facts.granted == 1 { "starts" } else { "start" };
            write!(line, "{granted} {start} each task within {promise}")
        }
        _ if facts.granted < facts.wanted => {
            write!(line, "{} wanted, {} granted: {}", facts.wanted, facts.granted, facts.because)
        }
        _ => write!(line, "{granted}: {}", facts.because),
    }
}

/// Why workers that should go are still there.
fn why_waiting(line: &mut String, facts: &Facts<'_>) -> fmt::Result {
    if facts.rollout {
        return line.write_str("but a rollout is under way, and nothing is lowered until it ends");
    }
    if facts.blind {
        return line.write_str(
            "but no worker's load can be seen, so none is stopped; set worker.statusPort, \
                or give the operator's broker user the tag monitoring",
        );
    }
    if facts.one_by_one {
        return write!(line, "{} more leave one at a time, after their tasks", facts.waiting);
    }
    match facts.waiting {
        1 => line.write_str("1 more finishes its tasks first"),
        waiting => write!(line, "{waiting} more finish their tasks first"),
    }
}

fn stay(count: u32) -> impl Display {
    Counted { count, none: "no worker", one: "1 worker stays", many: "workers stay" }
}

fn workers(count: u32) -> impl Display {
    Counted { count, none: "none", one: "1 worker", many: "workers" }
}

/// A number of things, as people say it.
struct Counted {
    count: u32,
    none: &'static str,
    one: &'static str,
    many: &'static str,
}

impl Display for Counted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.count {
            0 => f.write_str(self.none),
            1 => f.write_str(self.one),
            count => write!(f, "{count} {}", self.many),
        }
    }
}

/// Seconds as people say them: 12 s, 3 min, 2 h.
pub(super) fn seconds(seconds: f64) -> impl Display {
    Spoken(seconds)
}

struct Spoken(f64);

impl Display for Spoken {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            s if s < 120.0 => write!(f, "{} s", s.round() as u64),
            s if s < 7200.0 => write!(f, "{} min", (s / 60.0).round() as u64),
            s => write!(f, "{} h", (s / 3600.0).round() as u64),
        }
    }
}
