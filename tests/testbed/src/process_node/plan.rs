//! What is to be done next for a pod's containers.

use std::time::{Duration, Instant};

use super::container::{Container, Retry, Role, Run, State};
use super::lifecycle::Lifecycle;

/// A sidecar that is asked to stop only when the grace period is used up still gets this long.
const SHORTEST_GRACE: Duration = Duration::from_secs(2);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Start(usize),
    /// The stop hook, then SIGTERM; both have to be over in this time.
    Stop(usize, Duration),
    /// SIGKILL to everything the container started.
    Kill(usize),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub actions: Vec<Action>,
    /// When to ask again if nothing happens before.
    pub wake: Option<Instant>,
}

impl Plan {
    fn wake_at(&mut self, at: Instant) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }
}

impl Lifecycle {
    /// What is to be done now. Every action is given once; `Start` is given until its outcome is reported.
    pub fn plan(&mut self, now: Instant) -> Plan {
        let mut plan = Plan::default();
        if let Some(deadline) = self.deadline {
            self.stop_in_order(deadline, now, &mut plan);
        } else if self.is_done() {
            let deadline = *self.winding_down.get_or_insert(now + self.grace);
            self.stop_in_order(deadline, now, &mut plan);
        } else if self.held.is_none() {
            self.start_in_order(now, &mut plan);
        }
        self.stop_unhealthy(now, &mut plan);
        self.kill_overdue(now, &mut plan);
        plan
    }

    fn start_in_order(&mut self, now: Instant, plan: &mut Plan) {
        for index in 0..self.containers.len() {
            let container = &self.containers[index];
            if let State::Waiting { retry, .. } = &container.state {
                match retry {
                    Retry::At(at) if *at > now => plan.wake_at(*at),
                    Retry::InTurn | Retry::At(_) => plan.actions.push(Action::Start(index)),
                    Retry::Never => {}
                }
            }
            let passed = match (container.role, &container.state) {
                (Role::Main, _) | (Role::Init, State::Ended(_)) => true,
                (Role::Sidecar, State::Running(run)) => run.started,
                _ => false,
            };
            if !passed && !self.initialized {
                return;
            }
        }
        self.initialized = true;
    }

    /// Main and init containers at once, sidecars from the last to the first when what follows them is gone.
    fn stop_in_order(&mut self, deadline: Instant, now: Instant, plan: &mut Plan) {
        for index in (0..self.containers.len()).rev() {
            let container = &mut self.containers[index];
            let sidecar = container.role == Role::Sidecar;
            if let State::Running(run) = &mut container.state
                && run.kill_at.is_none()
            {
                let kill_at = if sidecar { deadline.max(now + SHORTEST_GRACE) } else { deadline };
                run.kill_at = Some(kill_at);
                plan.actions.push(Action::Stop(index, kill_at.saturating_duration_since(now)));
            }
            let busy = self.containers[index..].iter().any(Container::is_running);
            let next_is_sidecar = index > 0 && self.containers[index - 1].role == Role::Sidecar;
            if busy && next_is_sidecar {
                return;
            }
        }
    }

    fn stop_unhealthy(&mut self, now: Instant, plan: &mut Plan) {
        for (index, container) in self.containers.iter_mut().enumerate() {
            if let State::Running(run) = &mut container.state
                && let (Some(grace), None) = (run.unhealthy, run.kill_at)
            {
                run.kill_at = Some(now + grace);
                plan.actions.push(Action::Stop(index, grace));
            }
        }
    }

    fn kill_overdue(&mut self, now: Instant, plan: &mut Plan) {
        for (index, container) in self.containers.iter_mut().enumerate() {
            let State::Running(Run { kill_at: Some(kill_at), killed, .. }) = &mut container.state else { continue };
            if *killed {
                continue;
            }
            if *kill_at <= now {
                *killed = true;
                plan.actions.push(Action::Kill(index));
            } else {
                plan.wake_at(*kill_at);
            }
        }
    }
}
