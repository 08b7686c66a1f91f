//! The main job, end to end: a real control plane, a real broker, real workers as the pods of a process node, and the
//! operator with the rights that its chart gives it. Judged by what workers logged and by the broker's own counts.

mod bench;
mod burst;
mod cluster;
mod dead_letters;
mod faults;
mod logins;
mod strangers;
mod worker_logs;
