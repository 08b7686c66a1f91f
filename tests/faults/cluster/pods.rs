//! The life of a pod: scheduled, started, ready, ended.

use serde_json::{Value, json};

use super::replica_sets::pod_of;
use crate::api::store::Kind;
use crate::happening::Happening;
use crate::queue::Task;
use crate::world::{World, rfc3339};

/// A pod and the worker in it. Times in milliseconds.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "a pod has all of these apart")]
pub struct Pod {
    pub name: String,
    pub uid: String,
    pub set: String,
    pub pool: String,
    pub created: u64,
    pub node: Option<u64>,
    pub running: bool,
    pub ready: bool,
    pub ready_since: Option<u64>,
    /// When it last ceased to be ready.
    pub unready_since: Option<u64>,
    pub restarts: u64,
    pub oom: bool,
    /// When its deletion began.
    pub ending: Option<u64>,
    /// It takes tasks.
    pub consuming: bool,
    pub slots: u64,
    pub tasks: Vec<Held>,
    pub completed: u64,
    pub busy: u64,
    /// The last octets of its address.
    pub address: u16,
}

#[derive(Clone, Copy, Debug)]
pub struct Held {
    pub task: Task,
    pub since: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Assign,
    Start,
    Consume,
    Ready,
    Unready,
    OutOfMemory,
    Terminate,
    Gone,
}

impl Pod {
    /// The broker sees a connection of it.
    pub fn connected(&self) -> bool {
        self.consuming || !self.tasks.is_empty()
    }
}

impl World {
    pub fn create_pod(&mut self, set: &Value) {
        let now = self.now();
        let number = self.fresh();
        let Ok(object) = self.store.create(Kind::Pod, pod_of(set, number), now) else { return };
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (name, set) = (text("/metadata/name"), text("/metadata/ownerReferences/0/name"));
        let deployment = set.rsplit_once('-').map_or("", |(deployment, _)| deployment);
        let pool = deployment.trim_start_matches("target-").to_owned();
        self.note(|| format!("  pod {name} created"));
        let pod = Pod {
            name: name.clone(),
            uid: text("/metadata/uid"),
            set,
            pool,
            created: now,
            node: None,
            running: false,
            ready: false,
            ready_since: None,
            unready_since: None,
            restarts: 0,
            oom: false,
            ending: None,
            consuming: false,
            slots: 0,
            tasks: Vec::new(),
            completed: 0,
            busy: 0,
            address: (number % 60_000) as u16,
        };
        self.pods.insert(name.clone(), pod);
        self.soon(5, 100, Happening::Pod(name, Step::Assign));
    }

    pub fn step_pod(&mut self, name: &str, step: Step) {
        let now = self.now();
        let node = self.dice.between(1, 4);
        let Some(mut pod) = self.pods.remove(name) else { return };
        let boot = self.plans.get(&pod.pool).map_or((500, 2000), |plan| plan.boot);
        let ending = pod.ending.is_some();
        match step {
            Step::Assign if !ending => {
                pod.node = Some(node);
                self.soon(50, 800, Happening::Pod(name.to_owned(), Step::Start));
            }
            Step::Start if !ending => {
                pod.running = true;
                pod.slots = self.prefetch_of(&pod.pool);
                let takes = self.dice.between(boot.0, boot.1);
                self.after(takes, Happening::Pod(name.to_owned(), Step::Consume));
                // The probe comes when it comes, before the first task or after.
                let probed = (takes + self.dice.between(0, 1000)).saturating_sub(300);
                self.after(probed, Happening::Pod(name.to_owned(), Step::Ready));
            }
            Step::Consume if !ending => pod.consuming = true,
            Step::Ready if !ending && !pod.ready => {
                pod.ready = true;
                pod.ready_since = Some(now);
            }
            Step::Unready if !ending && pod.ready => {
                pod.ready = false;
                pod.unready_since = Some(now);
                self.soon(1000, 8000, Happening::Pod(name.to_owned(), Step::Ready));
            }
            Step::OutOfMemory if !ending && pod.running => self.out_of_memory(&mut pod, now),
            Step::Terminate => {
                pod.consuming = false;
                if pod.tasks.is_empty() {
                    self.soon(20, 300, Happening::Pod(name.to_owned(), Step::Gone));
                }
            }
            Step::Gone => {
                self.note(|| format!("  pod {name} gone"));
                self.store.delete(Kind::Pod, name, now);
                self.soon(1, 50, Happening::ReplicaSet(pod.set));
                return;
            }
            _ => (),
        }
        let (pool, set) = (pod.pool.clone(), pod.set.clone());
        self.show(&pod, now);
        self.pods.insert(name.to_owned(), pod);
        self.count_set(&set);
        self.dispatch(&pool);
    }

    fn out_of_memory(&mut self, pod: &mut Pod, now: u64) {
        self.note(|| format!("  pod {} out of memory", pod.name));
        pod.oom = true;
        pod.restarts += 1;
        pod.ready = false;
        pod.unready_since = Some(now);
        pod.consuming = false;
        (pod.completed, pod.busy) = (0, 0);
        if let Some(queue) = self.queues.get_mut(&pod.pool) {
            pod.tasks.drain(..).rev().for_each(|held| queue.ready.push_front(held.task));
        }
        let takes = self.dice.between(500, 4000);
        self.after(takes, Happening::Pod(pod.name.clone(), Step::Consume));
        self.after(takes + 200, Happening::Pod(pod.name.clone(), Step::Ready));
    }

    /// Deletion begins: the worker is told a moment later, finishes what it holds and goes.
    pub fn end_pod(&mut self, name: &str) {
        let now = self.now();
        let Some(pod) = self.pods.get_mut(name).filter(|pod| pod.ending.is_none()) else { return };
        pod.ending = Some(now);
        let (running, tasks) = (pod.running, pod.tasks.len());
        self.note(|| format!("  pod {name} is deleted, holding {tasks}"));
        self.store.update(Kind::Pod, name, now, |object| {
            object["metadata"]["deletionTimestamp"] = json!(rfc3339(now));
        });
        if running {
            self.soon(10, 400, Happening::Pod(name.to_owned(), Step::Terminate));
        } else {
            self.soon(10, 100, Happening::Pod(name.to_owned(), Step::Gone));
        }
    }

    /// What the kubelet writes.
    fn show(&mut self, pod: &Pod, now: u64) {
        let mut status = json!({ "phase": if pod.running { "Running" } else { "Pending" } });
        if pod.running {
            status["podIP"] = json!(format!("10.0.{}.{}", pod.address / 250, pod.address % 250 + 1));
            status["conditions"] = json!([{ "type": "Ready", "status": if pod.ready { "True" } else { "False" },
                "lastTransitionTime": rfc3339(pod.ready_since.filter(|_| pod.ready).unwrap_or(pod.created)) }]);
            let mut container = json!({ "name": "agent", "image": "i", "imageID": "i", "ready": pod.ready,
                "restartCount": pod.restarts });
            if pod.oom {
                container["lastState"] = json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } });
            }
            status["containerStatuses"] = json!([container]);
        }
        let node = pod.node;
        self.store.update(Kind::Pod, &pod.name, now, |object| {
            object["status"] = status;
            if let Some(node) = node {
                object["spec"]["nodeName"] = json!(format!("node-{node}"));
            }
        });
    }

    /// What a container that starts now finds in its environment.
    fn prefetch_of(&self, pool: &str) -> u64 {
        let map = self.store.get(Kind::ConfigMap, &format!("{pool}-awp"));
        let text = map.and_then(|map| map["data"]["AWP_PREFETCH"].as_str()?.parse().ok());
        text.or_else(|| self.plans.get(pool)?.prefetch).unwrap_or(4)
    }
}
