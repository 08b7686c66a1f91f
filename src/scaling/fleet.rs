//! The pool's workers, sorted into what the law may count on.

use std::cell::OnceCell;

use super::load::{Load, Sources};
use super::observation::{Observation, Worker, WorkerPhase, WorkerState};
use super::replica_set_order;
use super::settings::DrainSupport;
use super::state::{Order, Remembered};
use super::time::Timestamp;

/// What a worker is to the law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes tasks, or will when it has booted.
    Active,
    /// Takes no more tasks and can be resumed.
    Draining,
    /// Terminating, or about to be deleted because replicas were lowered.
    Leaving,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    pub role: Role,
    pub load: Load,
    pub slots: u32,
}

impl Member {
    /// What it holds; all it can where that is not to be seen.
    pub fn held(&self) -> u32 {
        self.load.held.unwrap_or(self.slots)
    }

    /// Slots that a resumed worker would bring.
    pub fn free(&self) -> u32 {
        self.slots.saturating_sub(self.held())
    }
}

#[derive(Clone, Debug)]
pub struct Fleet<'a> {
    pub workers: &'a [Worker],
    /// One per worker, in the same order.
    pub members: Vec<Member>,
    /// `spec.replicas` as it stands.
    pub desired: u32,
    /// Asked for, but no pod yet.
    pub absent: u32,
    /// P: slots of a worker that is yet to be created.
    pub prefetch: u32,
    /// More than one ReplicaSet has pods: in a rollout the Deployment shrinks its ReplicaSets in
    /// proportion, whatever deletion costs say (measured).
    pub rollout: bool,
    /// Sums over the members, asked for many times in one decision.
    active: u32,
    draining: u32,
    slots: f64,
    /// By [`super::victims::order`]: sorting them is dear, and a pool that keeps its size never asks.
    pub(super) victims: OnceCell<Vec<usize>>,
}

impl<'a> Fleet<'a> {
    pub(super) fn of(
        observation: &'a Observation,
        remembered: &[Remembered],
        support: DrainSupport,
        sources: &Sources<'_>,
        prefetch: u32,
        now: Timestamp,
    ) -> Self {
        let workers = observation.workers.as_slice();
        let mut members: Vec<Member> = workers
            .iter()
            .zip(remembered)
            .map(|(worker, remembered)| Member {
                role: role(worker, remembered.order, support),
                load: sources.load(worker),
                slots: worker.slots,
            })
            .collect();
        let desired = observation.replicas.unwrap_or(0);
        let present = members.iter().filter(|member| member.role != Role::Leaving).count() as u32;
        let mut revisions = workers
            .iter()
            .filter(|worker| worker.phase != WorkerPhase::Terminating)
            .map(|worker| worker.revision.as_str());
        let first = revisions.next();
        let rollout = revisions.any(|revision| Some(revision) != first);
        if !rollout && present > desired {
            // Replicas were lowered a moment ago: these are the ones that the ReplicaSet will take.
            for index in replica_set_order::order(workers, now).into_iter().take((present - desired) as usize) {
                members[index].role = Role::Leaving;
            }
        }
        let absent = desired.saturating_sub(present);
        let mut fleet = Self {
            workers,
            members,
            desired,
            absent,
            prefetch,
            rollout,
            active: absent,
            draining: 0,
            slots: f64::from(absent) * f64::from(prefetch),
            victims: OnceCell::new(),
        };
        fleet.add_up();
        fleet
    }

    fn add_up(&mut self) {
        for member in &self.members {
            match member.role {
                Role::Active => {
                    self.active = self.active.saturating_add(1);
                    self.slots += f64::from(member.slots);
                }
                Role::Draining => self.draining += 1,
                Role::Leaving => {}
            }
        }
    }

    pub fn with_role(&self, role: Role) -> impl Iterator<Item = (usize, &Member)> {
        self.members.iter().enumerate().filter(move |(_, member)| member.role == role)
    }

    /// Workers that take tasks, absent ones included.
    pub fn active(&self) -> u32 {
        self.active
    }

    pub fn draining(&self) -> u32 {
        self.draining
    }

    /// c0: slots of active workers, absent ones included.
    pub fn slots(&self) -> f64 {
        self.slots
    }

    /// Slots of active workers that are ready.
    pub fn ready_slots(&self) -> f64 {
        let ready = |index: &usize| self.workers[*index].phase == WorkerPhase::Ready;
        self.with_role(Role::Active).filter(|(index, _)| ready(index)).map(|(_, member)| f64::from(member.slots)).sum()
    }

    /// n: what active workers hold. The whole queue's count less what the others hold, but never
    /// less than what active workers are seen to hold. `None` where the whole is not known.
    pub fn in_flight(&self, whole_queue: Option<u64>) -> Option<f64> {
        let mut seen = 0.0;
        let mut elsewhere = 0.0;
        for member in &self.members {
            match member.role {
                Role::Active => seen += f64::from(member.load.held.unwrap_or(0)),
                Role::Draining | Role::Leaving => elsewhere += f64::from(member.held()),
            }
        }
        whole_queue.map(|whole| (whole as f64 - elsewhere).max(seen))
    }

    /// n where the whole queue's count is not known: what active workers are seen to hold, and all
    /// slots of those that show nothing and were ready by `shown`. What others take the queue's last
    /// count cannot show yet: taken for full, each new worker would call for the next.
    pub fn in_flight_at_most(&self, shown: Timestamp) -> f64 {
        let may_hold = |index: usize, member: &Member| match member.load.held {
            Some(held) => held,
            None if self.workers[index].first_ready.is_some_and(|ready| ready <= shown) => member.slots,
            None => 0,
        };
        self.with_role(Role::Active).map(|(index, member)| f64::from(may_hold(index, member))).sum()
    }

    /// What draining and leaving workers hold.
    pub fn held_elsewhere(&self) -> f64 {
        self.members.iter().filter(|member| member.role != Role::Active).map(|member| f64::from(member.held())).sum()
    }

    /// Draining workers, fullest first, then oldest: the order in which they resume.
    pub fn resumable(&self) -> Vec<usize> {
        let mut resumable: Vec<usize> = self.with_role(Role::Draining).map(|(index, _)| index).collect();
        resumable.sort_by(|&a, &b| {
            let (left, right) = (&self.workers[a], &self.workers[b]);
            let fuller = self.members[b].held().cmp(&self.members[a].held());
            fuller.then(left.created.0.total_cmp(&right.created.0)).then_with(|| left.name.cmp(&right.name))
        });
        resumable
    }
}

fn role(worker: &Worker, order: Option<(Order, Timestamp)>, support: DrainSupport) -> Role {
    if worker.phase == WorkerPhase::Terminating {
        return Role::Leaving;
    }
    let says_draining = worker.report.as_ref().is_some_and(|report| report.state != WorkerState::Running);
    let draining = match order {
        Some((Order::Drain, _)) if support == DrainSupport::Protocol => true,
        // Until it has spoken after being asked, a worker asked to resume counts as resumed.
        Some((Order::Resume, asked)) => says_draining && worker.report.as_ref().is_some_and(|report| report.at > asked),
        _ => says_draining,
    };
    if draining { Role::Draining } else { Role::Active }
}
