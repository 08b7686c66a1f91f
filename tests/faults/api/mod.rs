//! A Kubernetes API server in memory, as far as the controller uses one: one namespace; get, list, watch, create,
//! server-side apply by force, merge patch, `/status` and `/scale`.

pub mod merge;
pub mod object;
pub mod request;
pub mod serve;
pub mod store;
pub mod watch;
pub mod write;

pub const NAMESPACE: &str = "agents";
