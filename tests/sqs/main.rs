//! Reading a real server that speaks Amazon SQS, and working on it.
//!
//! Its counters are always fresh: the staleness of Amazon's is told to the reader's belief in tables of its
//! own. Tests share one server and get apart by queues; those that stop a server start their own.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod ambient;
mod bench;
mod counts;
mod drain;
mod identity;
mod outages;
mod publish;
#[path = "../support/readings.rs"]
mod readings;
#[path = "../support/recorder.rs"]
mod recorder;
mod support;
mod worker;
