//! How it went: by the workers' logs and the broker's own counts, not by the operator's word.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::facts::Facts;
use super::stage::{POOL, Stage};
use crate::Replicas;

#[derive(Debug)]
pub struct Summary {
    published: BTreeSet<String>,
    /// All tasks were confirmed then.
    begun: (Instant, Timestamp),
    replicas: Replicas,
    first_worker: Option<Duration>,
    slots: u64,
    last_look: Duration,
    /// First and last seen, by pod.
    lives: BTreeMap<String, (Duration, Duration)>,
}

impl Summary {
    pub fn new(published: Vec<String>, stage: &Stage<'_>) -> Self {
        let begun = (Instant::now(), Timestamp::now());
        Self {
            published: published.into_iter().collect(),
            begun,
            replicas: Replicas::follow(stage.access().admin(), stage.namespace(), POOL),
            first_worker: None,
            slots: 1,
            last_look: Duration::ZERO,
            lives: BTreeMap::new(),
        }
    }

    pub fn elapsed(&self) -> Duration {
        self.begun.0.elapsed()
    }

    pub fn note(&mut self, facts: &Facts) {
        let now = self.elapsed();
        if facts.ready_pods() > 0 {
            self.first_worker.get_or_insert(now);
        }
        self.slots = facts.slots;
        // Pods come and go between two looks: in the middle on average.
        let between = (self.last_look + now) / 2;
        for pod in &facts.pods {
            self.lives.entry(pod.name.clone()).or_insert((between, now)).1 = now;
        }
        for (name, (_, last)) in &mut self.lives {
            if *last == self.last_look && facts.pods.iter().all(|pod| pod.name != *name) {
                *last = between;
            }
        }
        self.last_look = now;
    }

    /// It woke, and is at zero again. Whether something is left is for [`Summary::conclude`] to ask.
    pub fn is_over(&self, facts: &Facts) -> bool {
        !self.lives.is_empty() && facts.replicas == 0 && facts.pods.is_empty()
    }

    /// Prints the summary; an error if a task was lost, interrupted or failed.
    pub async fn conclude(&self, stage: &Stage<'_>) -> Result<()> {
        let work = self.work(stage);
        let lost = self.published.difference(&work.done).count();
        let counts = stage.broker.counts().await?;
        // Both have seen every delivery; the broker also those of workers that died without a word.
        let interrupted = work.interrupted.max(counts.redelivered);
        let worker_seconds: f64 =
            self.lives.values().map(|(first, last)| last.saturating_sub(*first).as_secs_f64()).sum();
        let ideal = work.seconds / self.slots as f64;
        let changes = self.replicas.changes();
        let most = changes.iter().map(|(_, replicas)| *replicas).max().unwrap_or(0);
        let reached = |least: i32| {
            let change = changes.iter().find(|(_, replicas)| *replicas >= least);
            change.map_or_else(
                || "never".into(),
                |(at, _)| format!("{:.1} s", at.duration_since(self.begun.1).as_secs_f64().max(0.0)),
            )
        };
        let first_worker = self.first_worker.unwrap_or_default().as_secs_f64();
        println!("\nSummary");
        println!("  reaction (published → replicas raised)   {}", reached(1));
        println!("  first worker ready after                 {first_worker:.1} s");
        println!("  full size                                {most} workers, asked for after {}", reached(most));
        println!("  tasks done                               {} of {}", work.done.len(), self.published.len());
        println!("  tasks lost                               {lost}");
        println!("  tasks interrupted                        {interrupted}");
        println!("  dead letters                             {}", counts.dead_letters);
        println!("  back at zero after                       {:.1} s", self.elapsed().as_secs_f64());
        println!(
            "  worker-seconds                           {worker_seconds:.0}; the same work perfectly packed {ideal:.0}"
        );
        ensure!(lost == 0 && counts.left == 0, "{lost} tasks are lost; {}", stage.log_tail());
        ensure!(interrupted == 0, "{interrupted} tasks were interrupted");
        ensure!(counts.dead_letters == 0, "{} tasks were dead-lettered", counts.dead_letters);
        Ok(())
    }

    /// What the workers logged.
    fn work(&self, stage: &Stage<'_>) -> Work {
        let mut work = Work::default();
        for pod in self.lives.keys() {
            for line in stage.worker_log(pod).lines() {
                let Ok(entry) = serde_json::from_str::<Value>(line) else { continue };
                work.take(&entry);
            }
        }
        work
    }
}

#[derive(Debug, Default)]
struct Work {
    done: BTreeSet<String>,
    seconds: f64,
    interrupted: u64,
}

impl Work {
    fn take(&mut self, entry: &Value) {
        let Some(task) = entry["task"].as_str() else { return };
        match entry["outcome"].as_str() {
            Some("done") => {
                self.done.insert(task.to_owned());
                self.seconds += entry["seconds"].as_f64().unwrap_or(0.0);
            }
            Some("interrupted") => self.interrupted += 1,
            _ => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn work_that_the_broker_did_not_hear_of_is_not_done() {
        let mut work = Work::default();
        work.take(&json!({"task": "a", "outcome": "done", "seconds": 2.5}));
        work.take(&json!({"task": "b", "outcome": "interrupted", "progress": "done"}));
        work.take(&json!({"message": "taking tasks"}));
        assert_eq!((work.done.len(), work.seconds, work.interrupted), (1, 2.5, 1));
    }
}
