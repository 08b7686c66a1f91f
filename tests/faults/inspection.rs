//! The end of a schedule: every pool as it should be, and then nothing written any more.

use serde_json::Value;

use crate::api::store::Kind;
use crate::cluster::deployments::count;
use crate::happening::Happening;
use crate::pool::PoolPlan;
use crate::world::World;

/// Milliseconds from the last fault until every pool is as it should be.
const CONVERGENCE: u64 = 240_000;
/// A client notices after that long that its watch is dead.
const DEAF: u64 = 296_000;
/// λ is what arrived in the last 300 s: until then, status follows it down.
const FADING: u64 = 320_000;
/// A start-up time that nobody has learned to be longer, and what T can be on top of it, milliseconds.
const SLOWEST_START: u64 = 45_000;
/// How long nothing is written.
const QUIET: u64 = 60_000;

impl World {
    pub fn inspect(&mut self) {
        self.judge_reactions();
        let now = self.now();
        let Some(ended) = self.judge.faults_ended else { return };
        if let Some(since) = self.judge.quiet_since {
            self.judge.finished = now >= since + QUIET;
        } else if let Some(settled) = self.judge.settled_at {
            if now >= settled + FADING {
                self.note(|| "QUIET from here on".into());
                self.judge.quiet_since = Some(now);
            }
        } else {
            self.await_settlement(now, ended);
        }
        if !self.judge.finished {
            let pause = if self.judge.settled_at.is_some() { 5000 } else { 1000 };
            self.after(pause, Happening::Inspect);
        }
    }

    fn await_settlement(&mut self, now: u64, ended: u64) {
        let unsettled = self.plans.values().find_map(|plan| self.unsettled(plan).map(|why| (plan.name.clone(), why)));
        let Some((pool, why)) = unsettled else {
            self.note(|| "SETTLED".into());
            self.judge.settled_at = Some(now);
            self.judge.finished = !self.judge.until_quiet;
            return;
        };
        let heard = self.deaf_since.map_or(0, |since| since + DEAF);
        // Where a cold start cannot keep the promise, workers stay warm until nothing is expected any more.
        let warm = self.plans.get(&pool).is_some_and(|plan| plan.start_within < SLOWEST_START);
        // As long as tasks are done, it is not stuck: some pools are small and their backlog is not.
        let progress = self.queues.get(&pool).map_or(0, |queue| queue.progress);
        let limit = ended.max(heard).max(progress) + CONVERGENCE + if warm { FADING } else { 0 };
        let said = self.store.get(Kind::Pool, &pool).cloned();
        self.judge.expect(now < limit, || {
            let said = said.map(|pool| pool["status"].to_string());
            let after = (now - ended) / 1000;
            format!("{pool} is not settled {after} s after the last fault: {why}; it says {}", said.unwrap_or_default())
        });
    }

    /// What is not yet as it should be.
    fn unsettled(&self, plan: &PoolPlan) -> Option<String> {
        let queue = self.queues.get(&plan.name)?;
        let busy: usize = self.pods.values().filter(|pod| pod.pool == plan.name).map(|pod| pod.tasks.len()).sum();
        if !queue.ready.is_empty() || busy > 0 {
            return Some(format!("{} tasks wait, {busy} are worked on", queue.ready.len()));
        }
        let Some(deployment) = self.store.get(Kind::Deployment, &plan.deployment()) else {
            return Some("there is no Deployment".into());
        };
        let replicas = count(deployment, "/spec/replicas");
        let expected = match plan.hold {
            Some(hold) => replicas == hold || !plan.sighted() && replicas > hold,
            None if plan.sighted() => replicas == plan.min,
            None => replicas >= plan.min,
        };
        if !expected {
            return Some(format!("{replicas} replicas"));
        }
        let pool = self.store.get(Kind::Pool, &plan.name)?;
        let status = &pool["status"];
        if status["observedGeneration"] != pool["metadata"]["generation"] {
            return Some("status is of an older generation".into());
        }
        if count(status, "/replicas") != replicas {
            return Some(format!("status says {} replicas, there are {replicas}", status["replicas"]));
        }
        let is = |kind: &str| status["conditions"].as_array().into_iter().flatten().any(|one| is_true(one, kind));
        let wrong = !is("Ready") || is("Reconciling") || is("Stalled") || !is("BacklogKnown");
        wrong.then(|| format!("conditions {}", status["conditions"]))
    }
}

fn is_true(condition: &Value, kind: &str) -> bool {
    condition["type"] == kind && condition["status"] == "True"
}
