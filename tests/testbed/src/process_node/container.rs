//! What is known of one container.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Container as ContainerSpec;
use k8s_openapi::jiff::Timestamp;

use super::backoff::Backoff;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Init,
    Sidecar,
    Main,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Always,
    OnFailure,
    Never,
}

/// When a waiting container may be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    InTurn,
    At(Instant),
    Never,
}

/// A process that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    pub id: String,
    pub code: i32,
    pub reason: &'static str,
    pub message: Option<String>,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
}

/// A process that runs.
#[derive(Clone, Debug)]
pub struct Run {
    pub id: String,
    pub started_at: Timestamp,
    pub(super) begun: Instant,
    /// Its startup probe, if any, succeeded.
    pub started: bool,
    pub ready: bool,
    /// A liveness or startup probe gave up on it: the grace it gets.
    pub(super) unhealthy: Option<Duration>,
    pub(super) kill_at: Option<Instant>,
    pub(super) killed: bool,
}

#[derive(Clone, Debug)]
pub enum State {
    Waiting { reason: &'static str, message: Option<String>, retry: Retry },
    Running(Run),
    Ended(Exit),
}

#[derive(Clone, Debug)]
pub struct Container {
    pub role: Role,
    pub spec: ContainerSpec,
    pub state: State,
    pub last: Option<Exit>,
    pub restarts: i32,
    pub(super) backoff: Backoff,
}

impl Container {
    pub fn waiting(role: Role, spec: ContainerSpec, reason: &'static str, backoff: Backoff) -> Self {
        let state = State::Waiting { reason, message: None, retry: Retry::InTurn };
        Self { role, spec, state, last: None, restarts: 0, backoff }
    }

    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running(_))
    }

    pub fn run(&self) -> Option<&Run> {
        if let State::Running(run) = &self.state { Some(run) } else { None }
    }
}
