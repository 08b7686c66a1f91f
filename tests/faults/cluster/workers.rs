//! Workers: they take tasks, work, and answer when asked.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use awp::scaling::observation::{Report, WorkerState};
use awp::scaling::time::Timestamp;
use awp::workers::{StatusError, WorkerClient};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::sleep;

use super::pods::{Held, Step};
use crate::happening::Happening;
use crate::world::{EPOCH, Shared, World, lock};

impl World {
    /// Tasks go to workers with free slots, whichever.
    pub fn dispatch(&mut self, pool: &str) {
        let now = self.now();
        loop {
            let free = self.pods.values().filter(|pod| pod.pool == pool && pod.consuming);
            let free: Vec<String> =
                free.filter(|pod| (pod.tasks.len() as u64) < pod.slots).map(|pod| pod.name.clone()).collect();
            let Some(queue) = self.queues.get_mut(pool) else { return };
            if free.is_empty() || queue.ready.is_empty() {
                return;
            }
            let Some(task) = queue.ready.pop_front() else { return };
            let name = free[self.dice.between(0, free.len() as u64 - 1) as usize].clone();
            if let Some(pod) = self.pods.get_mut(&name) {
                pod.tasks.push(Held { task, since: now });
            }
            self.after(task.lasts, Happening::TaskDone { pod: name, task: task.id });
        }
    }

    pub fn task_done(&mut self, name: &str, task: u64) {
        let now = self.now();
        let Some(pod) = self.pods.get_mut(name) else { return };
        // It is not there where the container died with it.
        let Some(index) = pod.tasks.iter().position(|held| held.task.id == task) else { return };
        if now < pod.tasks[index].since + pod.tasks[index].task.lasts {
            // A second attempt on the same worker is not done yet.
            return;
        }
        let held = pod.tasks.swap_remove(index);
        pod.completed += 1;
        pod.busy += now - held.since;
        let (pool, last) = (pod.pool.clone(), pod.ending.is_some() && !pod.consuming && pod.tasks.is_empty());
        if let Some(queue) = self.queues.get_mut(&pool) {
            queue.progress = now;
        }
        if last {
            self.soon(20, 300, Happening::Pod(name.to_owned(), Step::Gone));
        }
        self.dispatch(&pool);
    }

    fn report(&self, address: IpAddr, at: u64) -> Option<Report> {
        let IpAddr::V4(address) = address else { return None };
        let [_, _, high, low] = address.octets();
        let number = u16::from(high) * 250 + u16::from(low) - 1;
        let pod = self.pods.values().find(|pod| pod.running && pod.address == number)?;
        if !pod.consuming && pod.tasks.is_empty() && pod.ending.is_none() {
            // Still booting: nothing listens yet.
            return None;
        }
        let running: u64 = pod.tasks.iter().map(|held| at - held.since).sum();
        Some(Report {
            at: Timestamp(EPOCH as f64 + at as f64 / 1000.0),
            state: WorkerState::Running,
            in_flight: pod.tasks.len() as u32,
            slots: Some(pod.slots as u32),
            completed: Some(pod.completed),
            failed: None,
            busy_seconds: Some((pod.busy + running) as f64 / 1000.0),
            memory_bytes: None,
            base_memory_bytes: None,
            task_peak_memory_bytes: None,
        })
    }
}

/// Asks the workers of the world over a network of its own.
pub struct SimulatedWorkers(pub Shared);

/// The real client's patience, milliseconds.
const PATIENCE: u64 = 1000;

impl WorkerClient for SimulatedWorkers {
    fn status(&self, address: SocketAddr) -> BoxFuture<'_, Result<Report, StatusError>> {
        async move {
            let (there, back, lost) = lock(&self.0).way();
            sleep(Duration::from_millis(there)).await;
            let (report, mute) = {
                let world = lock(&self.0);
                let pod = world.report(address.ip(), world.now());
                let mute = world.mute(address.ip());
                (pod, mute)
            };
            if mute || lost || there + back > PATIENCE {
                sleep(Duration::from_millis(PATIENCE.saturating_sub(there))).await;
                return Err(StatusError::NoAnswer);
            }
            sleep(Duration::from_millis(back)).await;
            let mut report = report.ok_or(StatusError::NoAnswer)?;
            // As the real client dates it: when it arrives.
            report.at = Timestamp(EPOCH as f64 + lock(&self.0).now() as f64 / 1000.0);
            Ok(report)
        }
        .boxed()
    }
}

impl World {
    /// Milliseconds to a worker and back, and whether the answer is lost.
    fn way(&mut self) -> (u64, u64, bool) {
        let slow = self.weather.slow.min(700);
        let there = self.net.between(1, 3 + slow);
        (there, self.net.between(1, 3 + slow), self.net.chance(self.weather.refuse / 2.0))
    }

    fn mute(&self, address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else { return true };
        let [_, _, high, low] = address.octets();
        let number = u16::from(high) * 250 + u16::from(low) - 1;
        let pod = self.pods.values().find(|pod| pod.address == number);
        pod.and_then(|pod| self.queues.get(&pod.pool)).is_some_and(|queue| queue.mute)
    }
}
