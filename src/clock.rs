//! The one clock: wall time at start plus a monotonic count, so that a step of the wall clock
//! changes no age, and paused test time moves everything.

use std::time::SystemTime;

use crate::scaling::time::Timestamp;

#[derive(Clone, Copy, Debug)]
pub struct Clock {
    base: Timestamp,
    started: tokio::time::Instant,
}

impl Clock {
    /// A clock that agrees with `wall` now.
    pub fn starting_at(wall: SystemTime) -> Self {
        let base = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Self { base: Timestamp(base), started: tokio::time::Instant::now() }
    }

    pub fn now(&self) -> Timestamp {
        self.base.plus(self.started.elapsed().as_secs_f64())
    }
}
