//! What people and other controllers do in the middle of it.

use serde_json::{Value, json};

use crate::api::store::Kind;
use crate::happening::Happening;
use crate::world::World;

#[derive(Clone, Debug)]
pub enum Action {
    /// New `minReplicas` and `maxReplicas`.
    Bound {
        pool: String,
        min: u64,
        max: u64,
    },
    /// Another image: every worker is replaced.
    Roll(String),
    Hold(String, Option<u64>),
    /// So many tasks to each worker that starts from now on.
    Prefetch(String, u64),
    /// The pool's Deployment is deleted, or the target's owner makes it anew.
    DeleteDeployment(String),
    /// The pool is deleted and made anew under its name.
    Recreate(String),
    Secret {
        there: bool,
    },
    Autoscaler {
        pool: String,
        there: bool,
    },
    /// Somebody scales the Deployment by hand.
    Scale {
        pool: String,
        replicas: u64,
    },
    /// The pool's object cannot be decoded for a while.
    Garble {
        pool: String,
        garbled: bool,
    },
    /// One of the pool's workers runs out of memory, or fails its probe.
    Trip {
        pool: String,
        out_of_memory: bool,
    },
}

impl World {
    pub fn act(&mut self, action: Action) {
        self.note(|| format!("ACTION {action:?}"));
        match action {
            Action::Bound { pool, min, max } => {
                let now = self.now();
                if let Some(plan) = self.plans.get_mut(&pool) {
                    (plan.min, plan.max) = (min, max);
                }
                self.judge.bounds.entry(pool.clone()).or_default().push((now, max.max(min)));
                self.rewrite(&pool);
            }
            Action::Roll(pool) => self.roll(&pool),
            Action::Hold(pool, hold) => {
                if let Some(plan) = self.plans.get_mut(&pool) {
                    plan.hold = hold;
                }
                self.rewrite(&pool);
            }
            Action::Prefetch(pool, tasks) => {
                if let Some(plan) = self.plans.get_mut(&pool) {
                    plan.prefetch = Some(tasks);
                }
                self.rewrite(&pool);
            }
            Action::DeleteDeployment(pool) => self.delete_deployment(&pool),
            Action::Recreate(pool) => {
                let now = self.now();
                self.store.delete(Kind::Pool, &pool, now);
                let target = self.plans.get(&pool).is_some_and(|plan| plan.target);
                if !target {
                    self.soon(10, 2000, Happening::Deployment("nothing, but orphans".into()));
                }
                self.create_pool(&pool);
            }
            Action::Secret { there } => self.secret(there),
            Action::Autoscaler { pool, there } => self.autoscaler(&pool, there),
            Action::Scale { pool, replicas } => self.scale_by_hand(&pool, replicas),
            Action::Garble { pool, garbled } => self.garble(&pool, garbled),
            Action::Trip { pool, out_of_memory } => self.trip(&pool, out_of_memory),
        }
    }

    pub fn create_pool(&mut self, pool: &str) {
        let now = self.now();
        if let Some(plan) = self.plans.get(pool) {
            let _ = self.store.create(Kind::Pool, plan.manifest(), now);
        }
    }

    /// The pool's author applies the pool again.
    fn rewrite(&mut self, pool: &str) {
        let now = self.now();
        let Some(manifest) = self.plans.get(pool).map(crate::pool::PoolPlan::manifest) else { return };
        self.store.update(Kind::Pool, pool, now, |object| object["spec"] = manifest["spec"].clone());
    }

    fn roll(&mut self, pool: &str) {
        let now = self.now();
        let Some(plan) = self.plans.get_mut(pool) else { return };
        plan.image += 1;
        let (target, image, deployment) = (plan.target, format!("example/agent:{}", plan.image), plan.deployment());
        if target {
            self.store.update(Kind::Deployment, &deployment, now, |object| {
                object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
            });
            self.wake_deployment(&deployment);
        } else {
            self.rewrite(pool);
        }
    }

    fn delete_deployment(&mut self, pool: &str) {
        let now = self.now();
        let Some(plan) = self.plans.get(pool).cloned() else { return };
        self.store.delete(Kind::Deployment, &plan.deployment(), now);
        self.wake_deployment(&plan.deployment());
        if plan.target {
            let _ = self.store.create(Kind::Deployment, plan.target_manifest(1), now);
        }
    }

    pub fn secret(&mut self, there: bool) {
        let now = self.now();
        if there {
            let manifest = json!({ "metadata": { "name": "broker" },
                "data": { "username": "cmVhZGVy", "password": "cGFzcw==" } });
            let _ = self.store.create(Kind::Secret, manifest, now);
        } else {
            self.store.delete(Kind::Secret, "broker", now);
        }
    }

    fn autoscaler(&mut self, pool: &str, there: bool) {
        let now = self.now();
        let Some(deployment) = self.plans.get(pool).map(crate::pool::PoolPlan::deployment) else { return };
        if there {
            let manifest = json!({ "metadata": { "name": format!("{pool}-hpa") }, "spec": { "maxReplicas": 9,
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": deployment } } });
            let _ = self.store.create(Kind::Autoscaler, manifest, now);
        } else {
            self.store.delete(Kind::Autoscaler, &format!("{pool}-hpa"), now);
        }
    }

    fn scale_by_hand(&mut self, pool: &str, replicas: u64) {
        let now = self.now();
        let Some(deployment) = self.plans.get(pool).map(crate::pool::PoolPlan::deployment) else { return };
        self.judge.forget_lowering(&deployment);
        self.store.update(Kind::Deployment, &deployment, now, |object| object["spec"]["replicas"] = json!(replicas));
        self.wake_deployment(&deployment);
    }

    fn garble(&mut self, pool: &str, garbled: bool) {
        let now = self.now();
        if garbled {
            // As a newer version of the API might have it.
            let spec: Value = json!({ "worker": { "template": "from a later version" } });
            self.store.update(Kind::Pool, pool, now, |object| object["spec"]["worker"] = spec["worker"].clone());
        } else {
            self.rewrite(pool);
        }
    }

    fn trip(&mut self, pool: &str, out_of_memory: bool) {
        use crate::cluster::pods::Step;
        let step = if out_of_memory { Step::OutOfMemory } else { Step::Unready };
        let pods: Vec<&String> = self.pods.values().filter(|pod| pod.pool == pool).map(|pod| &pod.name).collect();
        if !pods.is_empty() {
            let name = pods[self.dice.between(0, pods.len() as u64 - 1) as usize].clone();
            self.step_pod(&name, step);
        }
    }
}
