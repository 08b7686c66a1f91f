//! What is done for a task.

use std::time::{Duration, SystemTime};

use super::broker::Message;
use super::exec::Command;
use super::shutdown::Shutdown;
use super::simulate;

#[derive(Clone, Debug)]
pub enum Work {
    /// Runs a command, the body on its standard input.
    Exec(Command),
    /// Sleeps for as long as the body says.
    Simulate,
}

/// One task as the work sees it.
#[derive(Debug)]
pub(super) struct Task<'a> {
    pub message: &'a Message,
    pub timeout: Option<Duration>,
    /// The wall clock at the start, for `AWP_DEADLINE`.
    pub now: SystemTime,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// The task's own failure, with the reason for its dead letter.
    Failed(String),
    /// The work could not begin, for reasons that lie here.
    NotStarted(String),
    /// Ended half way by a second signal.
    Aborted,
}

impl Work {
    pub(super) async fn run(&self, task: &Task<'_>, shutdown: &Shutdown) -> Outcome {
        match self {
            Self::Exec(command) => command.run(task, shutdown).await,
            Self::Simulate => simulate::run(task, shutdown).await,
        }
    }
}

/// The reason of a dead letter for a task that took too long.
pub(super) fn timed_out(timeout: Duration) -> String {
    format!("the task ran longer than the task timeout of {} s and was ended", timeout.as_secs_f64())
}
