//! Pods as the law sees them.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt;

use super::times;
use crate::api::names::annotations;
use crate::api::quantity;
use crate::scaling::observation::{Report, Worker, WorkerPhase};
use crate::scaling::time::Timestamp;

/// What must be remembered of pods between looks, by pod UID.
#[derive(Debug, Default)]
pub struct PodMemory {
    seen: HashMap<String, Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    first_ready: Option<Timestamp>,
    /// OOM kills already told to the law.
    oom_kills: u32,
    oom_restart: i32,
}

/// Tasks a pod may hold, by the time its containers started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PrefetchHistory {
    /// (from when, value), oldest first.
    pub entries: Vec<(Timestamp, u32)>,
}

/// A container reads its prefetch from the ConfigMap at its start, and the kubelet's copy may be as old as
/// its sync period, one minute by default, plus the cache's delay.
const CONFIG_MAP_DELAY: f64 = 90.0;

impl PrefetchHistory {
    /// The value a pod created at `created` works with: the larger one where two are possible.
    pub fn at(&self, created: Timestamp, current: u32) -> u32 {
        let mut possible = Vec::new();
        for (index, (from, value)) in self.entries.iter().enumerate() {
            let until = self.entries.get(index + 1).map_or(f64::INFINITY, |next| next.0.0 + CONFIG_MAP_DELAY);
            if created.0 >= from.0 - 1.0 && created.0 <= until {
                possible.push(*value);
            }
        }
        possible.into_iter().max().unwrap_or(current)
    }
}

/// `4@1764000000,2@1764001000`: value and Unix second, as an annotation keeps it.
impl std::fmt::Display for PrefetchHistory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let entries: Vec<String> =
            self.entries.iter().map(|(from, value)| format!("{value}@{}", from.0.floor())).collect();
        f.write_str(&entries.join(","))
    }
}

impl PrefetchHistory {
    /// Values kept: workers older than that many changes count with the current value.
    const KEPT: usize = 8;

    /// As the pool's ConfigMap has it.
    pub fn noted_on(map: Option<&impl ResourceExt>) -> Self {
        let noted = map.and_then(|map| map.annotations().get(annotations::PREFETCH_HISTORY));
        noted.map(|text| Self::parse(text)).unwrap_or_default()
    }

    /// What cannot be parsed is left out.
    pub fn parse(text: &str) -> Self {
        let entries = text.split(',').filter_map(|entry| {
            let (value, from) = entry.split_once('@')?;
            Some((Timestamp(from.parse().ok().filter(|from: &f64| from.is_finite())?), value.parse().ok()?))
        });
        Self { entries: entries.take(Self::KEPT).collect() }
    }

    /// Adds `prefetch` from `now` on, if it is a change.
    pub fn note(&mut self, prefetch: u32, now: Timestamp) {
        if self.entries.last().is_none_or(|(_, last)| *last != prefetch) {
            self.entries.push((now, prefetch));
        }
        let surplus = self.entries.len().saturating_sub(Self::KEPT);
        self.entries.drain(..surplus);
    }
}

impl PodMemory {
    /// The pools' workers: every pod that is not finished.
    pub fn workers(
        &mut self,
        pods: &[&Pod],
        reports: &HashMap<String, Report>,
        history: &PrefetchHistory,
        prefetch: u32,
        now: Timestamp,
    ) -> Vec<Worker> {
        let live: Vec<&Pod> = pods.iter().copied().filter(|pod| !finished(pod)).collect();
        let uids: std::collections::HashSet<String> = live.iter().filter_map(|pod| pod.uid()).collect();
        self.seen.retain(|uid, _| uids.contains(uid));
        live.into_iter().map(|pod| self.worker(pod, reports.get(&pod.name_any()), history, prefetch, now)).collect()
    }

    fn worker(
        &mut self,
        pod: &Pod,
        report: Option<&Report>,
        history: &PrefetchHistory,
        prefetch: u32,
        now: Timestamp,
    ) -> Worker {
        let phase = phase(pod);
        let created = created(pod, now);
        let seen = self.seen.entry(pod.uid().unwrap_or_default()).or_default();
        if phase == WorkerPhase::Ready && seen.first_ready.is_none() {
            seen.first_ready = Some(ready_since(pod).unwrap_or(now));
        }
        let kill = last_oom_kill(pod);
        let oom_killed = kill.is_some_and(|restart| seen.oom_kills == 0 || restart > seen.oom_restart);
        if let (true, Some(restart)) = (oom_killed, kill) {
            seen.oom_kills += 1;
            seen.oom_restart = restart;
        }
        let slots = report.and_then(|report| report.slots).unwrap_or_else(|| history.at(created, prefetch));
        Worker {
            name: pod.name_any(),
            created,
            phase,
            first_ready: seen.first_ready,
            slots,
            memory_limit: memory_limit(pod).unwrap_or(0),
            revision: replica_set(pod).unwrap_or_default(),
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            restarts: restarts(pod),
            deletion_cost: deletion_cost(pod),
            report: report.cloned(),
            oom_killed,
        }
    }
}

/// Succeeded and failed pods are not workers any more: their ReplicaSet replaces them.
pub fn finished(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn phase(pod: &Pod) -> WorkerPhase {
    if pod.metadata.deletion_timestamp.is_some() {
        return WorkerPhase::Terminating;
    }
    if pod.spec.as_ref().is_none_or(|spec| spec.node_name.as_deref().unwrap_or_default().is_empty()) {
        return WorkerPhase::Unassigned;
    }
    let running = pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
    match (running, is_ready(pod)) {
        (false, _) => WorkerPhase::Pending,
        (true, false) => WorkerPhase::NotReady,
        (true, true) => WorkerPhase::Ready,
    }
}

fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a k8s_openapi::api::core::v1::PodCondition> {
    pod.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

pub fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|ready| ready.status == "True")
}

fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let ready = condition(pod, "Ready").filter(|ready| ready.status == "True")?;
    ready.last_transition_time.as_ref().map(times::from_kubernetes)
}

/// Why the scheduler finds no place for this pod, if it said so.
pub fn unschedulable(pod: &Pod) -> Option<&str> {
    let scheduled = condition(pod, "PodScheduled").filter(|condition| condition.status == "False")?;
    (scheduled.reason.as_deref() == Some("Unschedulable")).then(|| scheduled.message.as_deref().unwrap_or_default())
}

fn created(pod: &Pod, now: Timestamp) -> Timestamp {
    let time = pod.metadata.creation_timestamp.as_ref();
    time.map_or(now, times::from_kubernetes)
}

fn last_oom_kill(pod: &Pod) -> Option<i32> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let killed = statuses.iter().filter(|status| {
        let states = [status.last_state.as_ref(), status.state.as_ref()];
        let mut ends = states.into_iter().flatten().filter_map(|state| state.terminated.as_ref());
        ends.any(|end| end.reason.as_deref() == Some("OOMKilled"))
    });
    killed.map(|status| status.restart_count).max()
}

fn restarts(pod: &Pod) -> u32 {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    let counts = statuses.into_iter().flatten().map(|status| u32::try_from(status.restart_count).unwrap_or(0));
    counts.max().unwrap_or(0)
}

fn deletion_cost(pod: &Pod) -> i32 {
    pod.annotations().get(annotations::DELETION_COST).and_then(|cost| cost.parse().ok()).unwrap_or(0)
}

/// UID of the controlling ReplicaSet.
pub fn replica_set(pod: &Pod) -> Option<String> {
    let owners = pod.metadata.owner_references.as_ref()?;
    owners
        .iter()
        .find(|owner| owner.controller == Some(true) && owner.kind == "ReplicaSet")
        .map(|owner| owner.uid.clone())
}

fn memory_limit(pod: &Pod) -> Option<u64> {
    worker_memory(&pod.spec.as_ref()?.containers, pod.spec.as_ref()?.init_containers.as_deref().unwrap_or_default())
}

/// Sum of the memory limits of all containers that run beside each other, native sidecars included;
/// `None` if one of them has no limit.
pub fn worker_memory(containers: &[Container], init_containers: &[Container]) -> Option<u64> {
    let sidecars = init_containers.iter().filter(|init| init.restart_policy.as_deref() == Some("Always"));
    containers.iter().chain(sidecars).map(container_memory).sum()
}

pub fn container_memory(container: &Container) -> Option<u64> {
    let Quantity(limit) = container.resources.as_ref()?.limits.as_ref()?.get("memory")?;
    quantity::parse(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_started_around_a_change_counts_with_the_larger_prefetch() {
        let history = PrefetchHistory { entries: vec![(Timestamp(0.0), 4), (Timestamp(1000.0), 2)] };
        assert_eq!(history.at(Timestamp(500.0), 9), 4);
        assert_eq!(history.at(Timestamp(1030.0), 9), 4);
        assert_eq!(history.at(Timestamp(2000.0), 9), 2);
        assert_eq!(PrefetchHistory::default().at(Timestamp(5.0), 9), 9);
    }

    #[test]
    fn an_oom_kill_is_told_once() {
        let mut pod: Pod = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "w", "uid": "u"},
            "spec": {"containers": [{"name": "agent"}], "nodeName": "n"},
            "status": {"phase": "Running", "containerStatuses": [{
                "name": "agent", "ready": true, "restartCount": 1, "image": "i", "imageID": "i",
                "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]}
        }))
        .unwrap();
        let mut memory = PodMemory::default();
        let mut look = |pod: &Pod| {
            let workers = memory.workers(&[pod], &HashMap::new(), &PrefetchHistory::default(), 4, Timestamp(10.0));
            workers[0].oom_killed
        };
        assert!(look(&pod));
        assert!(!look(&pod));
        let statuses = pod.status.as_mut().unwrap().container_statuses.as_mut().unwrap();
        statuses[0].restart_count = 2;
        assert!(look(&pod));
    }
}
