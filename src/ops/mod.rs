//! What keeps the operator observable and well behaved: telemetry, metrics, the admin server,
//! readiness, shutdown.

pub mod admin;
pub mod limit;
pub mod metrics;
pub mod readiness;
pub mod shutdown;
pub mod telemetry;
