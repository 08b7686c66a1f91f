//! The life of a pod's containers as values: what happened goes in, what to do next comes out.
//!
//! Nothing here starts a process, reads a clock or talks to a server; `pod` does, and reports back. The rules are
//! the kubelet's: init containers one after another, native sidecars (init containers with `restartPolicy: Always`)
//! up before what follows them and stopped after it, restarts by policy with back-off, one grace period for all.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;

use super::backoff::Backoff;
use super::container::{Container, Exit, Policy, Retry, Role, Run, State};
use super::probes::Finding;

#[derive(Clone, Debug)]
pub struct Lifecycle {
    pub containers: Vec<Container>,
    pub policy: Policy,
    pub initialized: bool,
    /// Why no container may start yet (a volume is missing).
    pub held: Option<String>,
    pub(super) grace: Duration,
    /// The pod goes away: when its grace period is over.
    pub(super) deadline: Option<Instant>,
    /// The work is done, the sidecars stop: when their grace period is over.
    pub(super) winding_down: Option<Instant>,
}

impl Lifecycle {
    /// `backoff` is the wait before a second restart.
    pub fn new(pod: &Pod, backoff: Duration) -> Self {
        let spec = pod.spec.clone().unwrap_or_default();
        let init = spec.init_containers.unwrap_or_default();
        let waiting = if init.is_empty() { "ContainerCreating" } else { "PodInitializing" };
        let init = init.into_iter().map(|spec| {
            let sidecar = spec.restart_policy.as_deref() == Some("Always");
            (if sidecar { Role::Sidecar } else { Role::Init }, spec)
        });
        let containers = init.chain(spec.containers.into_iter().map(|spec| (Role::Main, spec)));
        Self {
            containers: containers
                .map(|(role, spec)| Container::waiting(role, spec, waiting, Backoff::new(backoff)))
                .collect(),
            policy: match spec.restart_policy.as_deref() {
                Some("Never") => Policy::Never,
                Some("OnFailure") => Policy::OnFailure,
                _ => Policy::Always,
            },
            initialized: false,
            held: None,
            grace: Duration::from_secs(spec.termination_grace_period_seconds.unwrap_or(30).max(0) as u64),
            deadline: None,
            winding_down: None,
        }
    }

    pub fn is_ending(&self) -> bool {
        self.deadline.is_some()
    }

    pub fn any_running(&self) -> bool {
        self.containers.iter().any(Container::is_running)
    }

    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &Container> {
        self.containers.iter().filter(move |container| container.role == role)
    }

    /// An init container failed for good.
    pub fn init_failed(&self) -> bool {
        self.with_role(Role::Init).any(|c| matches!(&c.state, State::Ended(exit) if exit.code != 0))
    }

    /// Nothing of the pod's own work is left to run.
    pub fn is_done(&self) -> bool {
        self.init_failed() || self.with_role(Role::Main).all(|c| matches!(c.state, State::Ended(_)))
    }

    /// The pod is being deleted with this grace period; a later call can only shorten it.
    pub fn end(&mut self, grace: Duration, now: Instant) {
        let deadline = self.deadline.map_or(now + grace, |deadline| deadline.min(now + grace));
        self.deadline = Some(deadline);
        for container in &mut self.containers {
            if let State::Running(Run { kill_at: Some(kill_at), .. }) = &mut container.state {
                *kill_at = (*kill_at).min(deadline);
            }
        }
    }

    pub fn running(&mut self, index: usize, id: String, wall: Timestamp, now: Instant) {
        let container = &mut self.containers[index];
        let started = container.spec.startup_probe.is_none();
        container.restarts += i32::from(container.last.is_some());
        container.state = State::Running(Run {
            id,
            started_at: wall,
            begun: now,
            started,
            ready: started && container.spec.readiness_probe.is_none(),
            unhealthy: None,
            kill_at: None,
            killed: false,
        });
    }

    /// The container could not be started for a reason outside of it.
    pub fn blocked(&mut self, index: usize, reason: &'static str, message: String, retry: Retry) {
        self.containers[index].state = State::Waiting { reason, message: Some(message), retry };
    }

    /// There is no such program.
    pub fn start_failed(&mut self, index: usize, message: String, wall: Timestamp, now: Instant) {
        let exit = Exit {
            id: String::new(),
            code: 128,
            reason: "StartError",
            message: Some(message),
            started_at: wall,
            finished_at: wall,
        };
        self.ended(index, exit, Duration::ZERO, now);
    }

    pub fn exited(&mut self, index: usize, code: i32, wall: Timestamp, now: Instant) {
        let State::Running(run) = &self.containers[index].state else { return };
        let exit = Exit {
            id: run.id.clone(),
            code,
            reason: if code == 0 { "Completed" } else { "Error" },
            message: None,
            started_at: run.started_at,
            finished_at: wall,
        };
        let ran = now.saturating_duration_since(run.begun);
        self.ended(index, exit, ran, now);
    }

    fn ended(&mut self, index: usize, exit: Exit, ran: Duration, now: Instant) {
        let again = self.deadline.is_none()
            && match self.containers[index].role {
                Role::Sidecar => self.winding_down.is_none(),
                Role::Init => exit.code != 0 && self.policy != Policy::Never,
                Role::Main => match self.policy {
                    Policy::Always => true,
                    Policy::OnFailure => exit.code != 0,
                    Policy::Never => false,
                },
            };
        let container = &mut self.containers[index];
        if !again {
            container.state = State::Ended(exit);
            return;
        }
        let wait = container.backoff.after_run(ran);
        let cause = exit.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
        container.state = State::Waiting {
            reason: "CrashLoopBackOff",
            message: Some(format!("back-off {wait:?} restarting container {}{cause}", container.spec.name)),
            retry: Retry::At(now + wait),
        };
        container.last = Some(exit);
    }

    /// Something that containers refer to changed: those that miss a reference look again.
    pub fn references_changed(&mut self) {
        for container in &mut self.containers {
            if let State::Waiting { reason: "CreateContainerConfigError", retry, .. } = &mut container.state {
                *retry = Retry::InTurn;
            }
        }
    }

    pub fn found(&mut self, index: usize, finding: Finding) {
        let container = &mut self.containers[index];
        let probed = container.spec.readiness_probe.is_some();
        let State::Running(run) = &mut container.state else { return };
        match finding {
            Finding::Started => {
                run.started = true;
                run.ready |= !probed;
            }
            Finding::Ready(ready) => run.ready = ready,
            // To be stopped, and restarted by the pod's policy.
            Finding::Unhealthy(grace) => {
                run.unhealthy.get_or_insert(grace.unwrap_or(self.grace));
            }
        }
    }
}
