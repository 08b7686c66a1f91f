//! Reading a real RabbitMQ: each fact of `docs/brokers.md` that can be shown on one node.
//!
//! Tests share one server and get apart by vhosts; those that stop a server start their own.
//! Conditions are waited for with generous bounds: nothing here is tuned to a machine.

mod counts;
mod support;
