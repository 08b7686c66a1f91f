//! The process node against a real control plane.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

mod configuration;
mod ends;
mod endures;
mod life;
mod place;
mod server;
mod stops;
