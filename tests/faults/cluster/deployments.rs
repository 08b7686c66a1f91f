//! The Deployment controller: one ReplicaSet per template, rollouts that surge first.

use serde_json::{Value, json};

use crate::api::store::Kind;
use crate::happening::Happening;
use crate::world::World;

pub fn count(object: &Value, pointer: &str) -> u64 {
    object.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

pub fn name_of(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

pub fn owned_by(object: &Value, uid: &Value) -> bool {
    object["metadata"]["ownerReferences"][0]["uid"] == *uid
}

impl World {
    pub fn wake_deployment(&mut self, name: &str) {
        self.soon(5, 150, Happening::Deployment(name.to_owned()));
    }

    pub fn sync_deployment(&mut self, name: &str) {
        let now = self.now();
        self.collect_orphans();
        let Some(deployment) = self.store.get(Kind::Deployment, name).cloned() else { return };
        let newest = self.replica_set_of(&deployment);
        self.scale_sets(&deployment, &newest);
        let uid = &deployment["metadata"]["uid"];
        let sets = || self.store.all(Kind::ReplicaSet).filter(|set| owned_by(set, uid));
        let total = |pointer| sets().map(|set| count(set, pointer)).sum::<u64>();
        let status = json!({
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": total("/status/replicas"), "readyReplicas": total("/status/readyReplicas"),
        });
        self.store.update(Kind::Deployment, name, now, |object| {
            object["status"] = status;
            // As the controller notes it: a generation more.
            object["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!(newest);
        });
    }

    /// The ReplicaSet of the present template, made if there is none.
    fn replica_set_of(&mut self, deployment: &Value) -> String {
        let now = self.now();
        let name = name_of(deployment);
        // A Deployment made anew has sets of its own; the old ones are somebody's who is gone.
        let template = format!("{}{}", deployment["spec"]["template"], deployment["metadata"]["uid"]);
        let set = format!("{name}-{:08x}", hash(&template));
        if self.store.get(Kind::ReplicaSet, &set).is_none() {
            let object = json!({
                "metadata": { "name": set, "labels": deployment["spec"]["template"]["metadata"]["labels"],
                    "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "Deployment", "name": name,
                        "uid": deployment["metadata"]["uid"], "controller": true }] },
                "spec": { "replicas": 0 },
                "status": { "replicas": 0, "readyReplicas": 0 },
            });
            let _ = self.store.create(Kind::ReplicaSet, object, now);
        }
        set
    }

    /// Surge 25 %, none unavailable, as the controller's own arithmetic has it; without a rollout simply the number.
    fn scale_sets(&mut self, deployment: &Value, newest: &str) {
        let desired = count(deployment, "/spec/replicas");
        let uid = &deployment["metadata"]["uid"];
        let sets: Vec<(String, u64, u64)> = self
            .store
            .all(Kind::ReplicaSet)
            .filter(|set| owned_by(set, uid))
            .map(|set| (name_of(set), count(set, "/spec/replicas"), count(set, "/status/readyReplicas")))
            .collect();
        let old: Vec<&(String, u64, u64)> = sets.iter().filter(|(name, size, _)| name != newest && *size > 0).collect();
        let new = sets.iter().find(|(name, ..)| name == newest).map_or((0, 0), |(_, size, ready)| (*size, *ready));
        if old.is_empty() {
            self.scale_set(newest, desired);
            return;
        }
        let all: u64 = sets.iter().map(|(_, size, _)| size).sum();
        let most = desired + desired.div_ceil(4).max(1);
        if new.0 > desired {
            self.scale_set(newest, desired);
        } else {
            self.scale_set(newest, new.0 + (desired - new.0).min(most.saturating_sub(all)));
        }
        let available: u64 = sets.iter().map(|(_, _, ready)| ready).sum();
        let mut spare = available.saturating_sub(desired).min(all.saturating_sub(desired + (new.0 - new.1.min(new.0))));
        for (name, size, ready) in old {
            // Those that are not ready are the first to be given up.
            let step = (size - ready.min(size)).min(all.saturating_sub(desired)).max(spare.min(*size));
            spare = spare.saturating_sub(step);
            self.scale_set(name, size - step);
        }
    }

    fn scale_set(&mut self, name: &str, replicas: u64) {
        let now = self.now();
        let before = self.store.version;
        self.store.update(Kind::ReplicaSet, name, now, |set| set["spec"]["replicas"] = json!(replicas));
        if self.store.version != before {
            self.soon(5, 100, Happening::ReplicaSet(name.to_owned()));
        }
    }

    /// What was owned by something that is gone, goes.
    pub fn collect_orphans(&mut self) {
        let now = self.now();
        for kind in [Kind::Deployment, Kind::ConfigMap, Kind::ReplicaSet] {
            let orphans: Vec<String> = self
                .store
                .all(kind)
                .filter(|object| {
                    let owner = &object["metadata"]["ownerReferences"][0]["uid"];
                    !owner.is_null() && !self.exists(owner)
                })
                .map(|object| name_of(object))
                .collect();
            for name in orphans {
                self.store.delete(kind, &name, now);
                if kind == Kind::Deployment {
                    self.wake_deployment(&name);
                }
            }
        }
        let orphans = self.pods.values().filter(|pod| self.store.get(Kind::ReplicaSet, &pod.set).is_none());
        let orphans: Vec<String> = orphans.map(|pod| pod.name.clone()).collect();
        for name in orphans {
            self.end_pod(&name);
        }
    }

    fn exists(&self, uid: &Value) -> bool {
        [Kind::Pool, Kind::Deployment].into_iter().any(|kind| {
            let mut all = self.store.all(kind);
            all.any(|object| object["metadata"]["uid"] == *uid)
        })
    }
}

fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
