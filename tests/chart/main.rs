//! The Helm chart: what it renders, and what an installed release may do on a real control plane.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod explain;
mod helm;
mod install;
mod render;
mod running;
