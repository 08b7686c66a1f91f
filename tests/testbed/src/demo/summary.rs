//! How it went: by the workers' logs and the broker's own counts, not by the operator's word.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

use super::facts::Facts;
use super::stage::{QUEUE, Stage};

#[derive(Debug)]
pub struct Summary {
    published: BTreeSet<String>,
    begun: Instant,
    reaction: Option<Duration>,
    first_worker: Option<Duration>,
    most: i32,
    full_size: Option<Duration>,
    /// First and last seen, by pod.
    lives: BTreeMap<String, (Duration, Duration)>,
}

/// Slots of a worker in the demo's pool.
const SLOTS: f64 = 4.0;

impl Summary {
    pub fn new(published: Vec<String>, begun: Instant) -> Self {
        Self {
            published: published.into_iter().collect(),
            begun,
            reaction: None,
            first_worker: None,
            most: 0,
            full_size: None,
            lives: BTreeMap::new(),
        }
    }

    pub fn note(&mut self, facts: &Facts) {
        let now = self.begun.elapsed();
        if facts.replicas > 0 {
            self.reaction.get_or_insert(now);
        }
        if facts.ready_pods() > 0 {
            self.first_worker.get_or_insert(now);
        }
        if facts.replicas > self.most {
            (self.most, self.full_size) = (facts.replicas, Some(now));
        }
        for pod in &facts.pods {
            self.lives.entry(pod.name.clone()).or_insert((now, now)).1 = now;
        }
    }

    /// It woke, and is at zero again with nothing left.
    pub fn is_over(&self, facts: &Facts) -> bool {
        let quiet = facts.ready == Some(0) && facts.in_flight.unwrap_or(0) == 0;
        self.most > 0 && quiet && facts.replicas == 0 && facts.pods.is_empty()
    }

    /// Prints the summary; an error if a task was lost or interrupted.
    pub async fn conclude(&self, stage: &Stage) -> Result<()> {
        let work = self.work(stage);
        let lost = self.published.difference(&work.done).count();
        let counts = stage.rabbitmq.counts(&stage.vhost, QUEUE).await?;
        let failed = stage.rabbitmq.counts(&stage.vhost, &format!("{QUEUE}_failed")).await?;
        let worker_seconds: f64 = self.lives.values().map(|(first, last)| last.saturating_sub(*first).as_secs_f64()).sum();
        let ideal = work.seconds / SLOTS;
        let seconds =
            |time: Option<Duration>| time.map_or_else(|| "never".into(), |time| format!("{:.1} s", time.as_secs_f64()));
        println!("\nSummary");
        println!("  reaction (published → replicas raised)   {}", seconds(self.reaction));
        println!("  first worker ready                       {}", seconds(self.first_worker));
        println!("  full size                                {} workers after {}", self.most, seconds(self.full_size));
        println!("  tasks done                               {} of {}", work.done.len(), self.published.len());
        println!("  tasks lost                               {lost}");
        println!("  tasks interrupted                        {}", work.interrupted);
        println!("  dead letters                             {}", failed.ready);
        println!("  back at zero after                       {:.1} s", self.begun.elapsed().as_secs_f64());
        println!("  worker-seconds                           {worker_seconds:.0}, perfectly packed {ideal:.0}");
        ensure!(
            lost == 0 && counts.ready == 0,
            "{lost} tasks are lost; the operator's log ends:\n{}",
            stage.log_tail()
        );
        ensure!(work.interrupted == 0, "{} tasks were interrupted", work.interrupted);
        ensure!(failed.ready == 0, "{} tasks were dead-lettered", failed.ready);
        Ok(())
    }

    /// What the workers logged.
    fn work(&self, stage: &Stage) -> Work {
        let mut work = Work::default();
        for pod in self.lives.keys() {
            for line in stage.worker_log(pod).lines() {
                let Ok(entry) = serde_json::from_str::<Value>(line) else { continue };
                let Some(task) = entry["task"].as_str() else { continue };
                match entry["outcome"].as_str() {
                    Some("done") => {
                        work.done.insert(task.to_owned());
                        work.seconds += entry["seconds"].as_f64().unwrap_or(0.0);
                        // A redelivered task ran before and did not end.
                        work.interrupted += u64::from(entry["attempt"].as_u64().unwrap_or(1) > 1);
                    }
                    Some("interrupted" | "released") => work.interrupted += 1,
                    _ => (),
                }
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
