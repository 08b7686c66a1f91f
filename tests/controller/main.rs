//! The operator as it is shipped (its binary, its ServiceAccount, its Roles) against a real control plane and a real
//! RabbitMQ. Pods are kwok's: ready at once, never consuming. Where a worker must hold a task, the test takes one
//! over a connection that carries the pod's name, as a worker's does.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod api_server;
mod autoscalers;
mod aws;
mod bounds;
mod check;
mod cli;
mod credentials;
mod declare;
mod explain;
mod look;
mod modes;
mod neighbours;
mod order;
mod outages;
mod owned;
mod pool;
mod quiet;
mod record;
#[path = "../support/recorder.rs"]
mod recorder;
mod refusals;
mod restarts;
mod shrink;
mod stage;
mod template;
mod worker;
