//! Pods as the law sees them.

use std::collections::{HashMap, HashSet};

use super::objects::{ConfigMap, Pod};
use crate::scaling::observation::{Report, Worker, WorkerPhase};
use crate::scaling::time::Timestamp;

/// What must be remembered of pods between looks, by pod UID.
#[derive(Debug, Default)]
pub struct PodMemory {
    seen: HashMap<Box<str>, Seen>,
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
    pub fn noted_on(map: Option<&ConfigMap>) -> Self {
        map.and_then(|map| map.prefetch_history.as_deref()).map(Self::parse).unwrap_or_default()
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
        let live: Vec<&Pod> = pods.iter().copied().filter(|pod| !pod.finished).collect();
        let uids: HashSet<&str> = live.iter().map(|pod| &*pod.uid).collect();
        self.seen.retain(|uid, _| uids.contains(&**uid));
        live.into_iter().map(|pod| self.worker(pod, reports.get(&*pod.name), history, prefetch, now)).collect()
    }

    fn worker(
        &mut self,
        pod: &Pod,
        report: Option<&Report>,
        history: &PrefetchHistory,
        prefetch: u32,
        now: Timestamp,
    ) -> Worker {
        let created = pod.created.unwrap_or(now);
        let seen = self.seen.entry(pod.uid.clone()).or_default();
        if pod.phase == WorkerPhase::Ready && seen.first_ready.is_none() {
            seen.first_ready = Some(pod.ready_since.unwrap_or(now));
        }
        let kill = pod.out_of_memory;
        let oom_killed = kill.is_some_and(|restart| seen.oom_kills == 0 || restart > seen.oom_restart);
        if let (true, Some(restart)) = (oom_killed, kill) {
            seen.oom_kills += 1;
            seen.oom_restart = restart;
        }
        let slots = report.and_then(|report| report.slots).unwrap_or_else(|| history.at(created, prefetch));
        Worker {
            name: pod.name.to_string(),
            created,
            phase: pod.phase,
            first_ready: seen.first_ready,
            slots,
            memory_limit: pod.memory.unwrap_or(0),
            revision: pod.replica_set.as_deref().unwrap_or_default().to_owned(),
            node: pod.node.as_deref().map(str::to_owned),
            restarts: pod.restarts,
            deletion_cost: pod.deletion_cost.unwrap_or(0),
            report: report.cloned(),
            oom_killed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::objects::Read;

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
        let pod: Read<Pod> =
            serde_json::from_value(serde_json::json!({"metadata": {"name": "w", "uid": "u"}})).unwrap();
        let mut pod = Pod { out_of_memory: Some(1), ..pod.kept };
        let mut memory = PodMemory::default();
        let mut look = |pod: &Pod| {
            let workers = memory.workers(&[pod], &HashMap::new(), &PrefetchHistory::default(), 4, Timestamp(10.0));
            workers[0].oom_killed
        };
        assert!(look(&pod));
        assert!(!look(&pod));
        pod.out_of_memory = Some(2);
        assert!(look(&pod));
    }
}
