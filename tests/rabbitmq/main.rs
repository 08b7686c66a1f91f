//! Reading a real RabbitMQ: each fact about its answers that can be shown on one node.
//!
//! Tests share one server and get apart by vhosts; those that stop a server, or want another
//! configuration, start their own. Conditions are waited for with generous bounds: nothing here
//! is tuned to a machine.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod check;
mod cluster;
mod connections;
mod cost;
mod counts;
mod dead_letters;
mod declare;
mod hostile;
mod logins;
mod many;
mod outages;
#[path = "../support/readings.rs"]
mod readings;
mod support;
mod tls;
mod workers;
