//! What would have happened: loads, a model of queue and workers in virtual time, and policies to compare.
//!
//! The model is that of a discrete-event simulation, exact to the millisecond and without chance but for what is
//! seeded. It decides by [`crate::scaling::decide`], the one that the operator decides by; nothing here knows
//! how. Nothing here reads a file or a clock either.
//!
//! | file | question |
//! |---|---|
//! | [`trace`] | which tasks come when, and how long does each work? |
//! | [`replay`] | and which came to a pool that was recorded? |
//! | [`cluster`] | what do a queue and its workers do in between decisions? |
//! | [`policy`] | who decides how many workers there are, and who of them goes? |
//! | [`mod@run`], [`outcome`] | what comes of it? |
//! | [`compare`] | and what would have come of it under others? |

#![cfg_attr(test, expect(clippy::float_cmp, reason = "tests mean exact values"))]

pub mod cluster;
pub mod compare;
pub mod outcome;
pub mod policy;
pub mod random;
pub mod replay;
pub mod run;
pub mod trace;

#[cfg(test)]
mod tests;

pub use run::run;
