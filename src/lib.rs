//! awp – Agent Worker Pools. See `docs/architecture.md` for the map of the house.

pub mod amqp;
pub mod api;
pub mod aws;
pub mod brokers;
pub mod cli;
pub mod clock;
pub mod contract;
pub mod controller;
pub mod explanation;
pub mod kafka;
pub mod librdkafka;
pub mod net;
pub mod ops;
pub mod publishing;
pub mod runtime;
pub mod scaling;
pub mod simulation;
pub mod workers;
