//! The law under test: tables to read, and properties that hold whatever comes in. The closed loop in virtual
//! time is `simulation`.

mod blind;
mod by_counts;
mod cases;
pub mod fixtures;
mod law_properties;
mod properties;
