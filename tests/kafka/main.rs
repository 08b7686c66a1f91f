//! Reading a real Apache Kafka: each fact about its offsets that can be shown, on one broker and on three.
//!
//! Tests share one broker and get apart by the names of topics and groups; those that stop a broker, or
//! want another configuration, start their own. Conditions are waited for with generous bounds.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod cluster;
mod dead_letters;
mod expiry;
mod hostile;
mod lag;
mod logins;
mod many;
mod members;
mod old;
mod position;
#[path = "../support/readings.rs"]
mod readings;
mod support;
mod wire;
