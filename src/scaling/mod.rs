//! The control law: values in, a decision out.
//!
//! Nothing here knows Kubernetes, a broker, the network, a clock, randomness or the
//! environment; time is an argument. `tests/architecture.rs` keeps it so.

pub mod decision;
pub mod observation;
pub mod settings;
pub mod time;
