//! awp – Agent Worker Pools. See `docs/architecture.md` for the map of the house.

pub mod api;
pub mod brokers;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod ops;
pub mod runtime;
pub mod scaling;
pub mod workers;
