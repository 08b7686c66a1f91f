//! Figures of KEDA 2, for comparison. They were measured before this project began, on a machine with two processors
//! like the one its own figures were first taken on; no run here measures them.

pub const NOTE: &str =
    "* KEDA 2, measured once on a machine with two processors, not by this run: see docs/benchmarks.md";

/// Until the full size.
pub const REACTION: &str = "77 s mean, tuned 13–16 s";
pub const MEMORY: &str = "325 MB";
pub const CPU: &str = "7.2 %, polling every 30 s";
pub const BROKER_CONNECTIONS: &str = "one per pool";
pub const DECIDED: &str = "8 min";
