//! Putting tasks on a queue so that each is certainly there: `awp publish`.

pub mod declare;
pub mod send;
pub mod tasks;
