//! The control law: values in, a decision out.
//!
//! Nothing here knows Kubernetes, a broker, the network, a clock, randomness or the
//! environment; time is an argument. `tests/architecture.rs` keeps it so.
//!
//! [`decide::decide`] is the one entry. Read in this order:
//!
//! | file | question |
//! |---|---|
//! | [`observation`], [`settings`], [`decision`] | what goes in, what comes out |
//! | [`law`] | how many slots does the queue need? |
//! | [`arrivals`] | how long has each queued task waited? |
//! | [`in_flight`] | how many tasks are being worked on, from sources of different age? |
//! | [`load`], [`fleet`] | what does a worker hold, and which can be counted on? |
//! | [`estimate`] | λ, S, b and q, learned |
//! | [`prefetch`] | how many tasks may one worker hold? |
//! | [`partitions`] | what does the lag of a partitioned queue say? |
//! | `plan`, [`window`], [`caps`] | from slots to workers: what holds the number up, what holds it down? |
//! | `applied`, [`victims`], [`replica_set_order`] | who goes, who resumes, and whom would the cluster take? |
//! | [`state`], `learn` | what is remembered between decisions, and how it is learned |
//! | [`mod@decide`], `record`, `explain` | all of it in order, and why in one line |
//! | [`explanation`], [`trace`] | the same decision again, with every number that was in it |

#![cfg_attr(test, expect(clippy::float_cmp, reason = "tests mean exact values"))]

mod applied;
pub mod arrivals;
pub mod caps;
pub mod decide;
pub mod decision;
pub mod estimate;
mod explain;
pub mod explanation;
pub mod fleet;
pub mod in_flight;
pub mod law;
mod learn;
pub mod load;
pub mod observation;
pub mod partitions;
mod plan;
pub mod prefetch;
mod record;
pub mod replica_set_order;
pub mod settings;
pub mod state;
pub mod time;
pub mod trace;
pub mod victims;
mod view;
pub mod window;

#[cfg(test)]
pub(crate) mod tests;

pub use decide::decide;
pub use state::{Restored, State};
