//! The process node against a real control plane.

mod configuration;
mod ends;
mod life;
mod place;
mod server;
mod stops;
