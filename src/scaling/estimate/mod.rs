//! What the pool learns about itself. Everything decays, everything is shown in status, nothing
//! needs a time-series database.

pub mod duration;
pub mod groups;
pub mod memory;
pub mod rate;
pub mod startup;

/// What an estimate rests on, so that people can judge it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// Samples that still count, the older the less.
    pub samples: f64,
    /// The start value is one that an earlier operator had learned, not the one from settings.
    pub restored: bool,
}
