//! The main job, end to end: a real control plane, a real broker, real workers as the pods of a process node, and the
//! operator with the rights that its chart gives it. Judged by what workers logged and by the broker's own counts.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what is not as it should be fails the test")]

mod bench;
mod burst;
mod cluster;
mod dead_letters;
mod faults;
mod kafka;
mod logins;
mod sqs;
mod strangers;
mod worker_logs;
