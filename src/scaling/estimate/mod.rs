//! What the pool learns about itself. Everything decays, everything is shown in status, nothing
//! needs a time-series database.

pub mod duration;
pub mod memory;
pub mod rate;
pub mod startup;
