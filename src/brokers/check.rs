//! What `awp check` finds out about a broker: a list of steps, each with its outcome and remedy.
//!
//! Each broker has a `check.rs` of its own with one function,
//! `pub async fn check(source: &Source, expected: &Expected) -> Vec<Step>`: it connects with the
//! pool's credentials, reads and never writes, ends within half a minute whatever the broker does,
//! and puts no secret and no byte that a server sent into a step. The command line knows only the list.

mod network;

use std::time::Duration;

pub use network::network;

use super::{Source, kafka, rabbitmq, sqs};
use crate::scaling::observation::{ErrorClass, Unknown};

/// What the pool expects of its queue.
#[derive(Clone, Debug)]
pub struct Expected {
    /// A task is ended after this long, and until then its message is not acknowledged.
    pub task_timeout: Duration,
    /// Tasks one worker holds at once.
    pub prefetch: u32,
    /// The workers have a status endpoint, so the broker need not tell who holds what.
    pub workers_report: bool,
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Short and stable, in camelCase, for scripts: `dns`, `tcp`, `tls`, `login`, `vhost`, `queue`, …
    pub name: &'static str,
    pub outcome: Outcome,
    /// What was found, for people.
    pub detail: String,
    /// What to do about it; `None` where there is nothing to do.
    pub remedy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// The pool works, less well.
    Warning,
    Failed,
    /// Not tried, because something before it failed or is not set.
    Skipped,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "Passed",
            Self::Warning => "Warning",
            Self::Failed => "Failed",
            Self::Skipped => "Skipped",
        }
    }
}

impl Step {
    pub fn passed(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Passed, detail: detail.into(), remedy: None }
    }

    pub fn warning(name: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Warning, detail: detail.into(), remedy: Some(remedy.into()) }
    }

    pub fn failed(name: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Failed, detail: detail.into(), remedy: Some(remedy.into()) }
    }

    /// A failure in the words that the pool's conditions use: misconfigurations name their remedy last.
    pub fn refused(name: &'static str, why: &Unknown) -> Self {
        match why.message.rsplit_once(": ") {
            Some((found, remedy)) if why.class == ErrorClass::Misconfigured => Self::failed(name, found, remedy),
            _ => {
                let remedy = format!("try again; docs/operations.md has more on {}", why.reason);
                Self::failed(name, why.message.clone(), remedy)
            }
        }
    }

    pub fn skipped(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Skipped, detail: detail.into(), remedy: None }
    }
}

/// Tries everything that the pool needs of its broker.
pub async fn check(source: &Source, expected: &Expected) -> Vec<Step> {
    match source {
        Source::RabbitMq(source) => rabbitmq::check(source, expected).await,
        Source::Kafka(source) => kafka::check(source, expected).await,
        Source::Sqs(source) => sqs::check(source, expected).await,
    }
}
