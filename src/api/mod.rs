//! The API of `agentworkers.io/v1alpha1`: what a user writes, what the operator answers.
//!
//! | module | what it holds |
//! |---|---|
//! | [`spec`], [`status`] | the types, whose doc comments are what `kubectl explain` prints |
//! | [`names`] | every label, annotation, environment variable, condition type and reason |
//! | [`conditions`] | setting a condition the Kubernetes way |
//! | [`duration`], [`quantity`] | the two notations a spec uses, as numbers |
//! | [`sizes`] | how large a pod is |

pub mod conditions;
pub mod defaults;
pub mod duration;
pub mod invalid;
pub mod names;
pub mod parsed;
pub mod quantity;
pub mod schema;
pub mod settings;
pub mod sizes;
pub mod spec;
pub mod status;
pub mod uri;

pub use spec::{AgentWorkerPool, AgentWorkerPoolSpec};
pub use status::AgentWorkerPoolStatus;
