//! What one decision looks at: workers, counts and estimates, and how far they can be believed.

use super::decision::{Estimates, Trust};
use super::fleet::Fleet;
use super::observation::QueueCounts;
use super::settings::DrainSupport;
use super::state::State;
use super::time::Timestamp;

pub(super) struct View<'a> {
    pub fleet: &'a Fleet<'a>,
    pub estimates: Estimates,
    /// N
    pub whole: Option<u64>,
    pub trust: Trust,
    /// Nothing was read before.
    pub first: bool,
    /// No worker's load is to be seen, though some have run for long enough.
    pub blind: bool,
    pub now: Timestamp,
}

impl View<'_> {
    /// Draining workers that can be resumed.
    pub fn resumable(&self, support: DrainSupport) -> u32 {
        match support {
            DrainSupport::IdleOnly | DrainSupport::Sigterm => 0,
            DrainSupport::Protocol => self.fleet.draining(),
        }
    }
}

/// How much the reading can be believed.
pub(super) fn trust(state: &State, counts: Option<&QueueCounts>, now: Timestamp) -> Trust {
    let oldest = state.counts_fresh();
    match (counts, state.reading) {
        (Some(_), Some(reading)) if now.since(reading.at) <= oldest => Trust::Known,
        (Some(_), _) => Trust::Stale,
        (None, _) => Trust::Unknown,
    }
}
