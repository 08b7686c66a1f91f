//! The law under test: tables to read, properties that hold whatever comes in, and a closed loop in
//! virtual time.

mod blind;
mod by_counts;
mod cases;
mod closed_loop;
pub mod fixtures;
mod properties;
mod traces;
mod world;
