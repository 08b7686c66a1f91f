//! A pool's readings in the log, where its owner asks for them: what `awp simulate --log` replays.
//!
//! A line is written when something changed since the last one, at most one a second and pool; what came and went in
//! between is in the next one. Nothing is kept but the last line, and nothing is written for a pool without the
//! annotation, so one tenant's record is no one else's trouble. What is not known is not recorded: the next
//! line that is known makes up for it.

use kube::ResourceExt;

use super::world::PoolKey;
use crate::api::AgentWorkerPool;
use crate::api::names::annotations;
use crate::scaling::decision::{Decision, Trust};
use crate::scaling::state::Passed;
use crate::scaling::time::Timestamp;

/// The line's message, by which it is found again.
pub const MESSAGE: &str = "recorded reading";

/// Seconds between two lines of a pool; a broker is read about as often.
const SHORTEST: f64 = 0.9;

/// The last line of a pool.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recorded {
    at: Timestamp,
    seen: Seen,
    passed: Passed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    ready: u64,
    in_flight: u64,
    workers: usize,
}

/// Writes a line if there is news. `passed` counts since the operator started.
pub fn record(
    last: &mut Option<Recorded>,
    key: &PoolKey,
    pool: &AgentWorkerPool,
    decision: &Decision,
    passed: Passed,
    workers: usize,
) {
    if pool.annotations().get(annotations::RECORD).map(String::as_str) != Some("true") {
        *last = None;
        return;
    }
    let (Trust::Known, Some(in_flight)) = (decision.trust, decision.backlog.in_flight) else { return };
    let now = Recorded { at: decision.at, seen: Seen { ready: decision.backlog.ready, in_flight, workers }, passed };
    if let Some(last) = last
        && (now.at.since(last.at) < SHORTEST || (now.seen, now.passed) == (last.seen, last.passed))
    {
        return;
    }
    let before = last.map_or(passed, |last| last.passed);
    tracing::info!(
        pool = %key,
        at = (now.at.0 * 1000.0).round() / 1000.0,
        ready = now.seen.ready,
        in_flight,
        arrived = passed.arrived.saturating_sub(before.arrived),
        completed = passed.completed.saturating_sub(before.completed),
        workers,
        "{MESSAGE}"
    );
    *last = Some(now);
}

#[cfg(test)]
mod tests;
