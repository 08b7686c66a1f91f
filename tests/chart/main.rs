//! The Helm chart: what it renders, and what an installed release may do on a real control plane.

mod helm;
mod install;
mod render;
