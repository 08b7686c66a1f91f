//! `awp worker` and `awp publish` as processes, against a real RabbitMQ.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod bench;
mod dead_letters;
mod faults;
mod publish;
mod python;
mod worker;
#[path = "../support/worker_process.rs"]
mod worker_process;
