//! Objects, their versions and their history.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::NAMESPACE;
use super::object::Object;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Pool,
    Deployment,
    ReplicaSet,
    Pod,
    ConfigMap,
    Secret,
    Autoscaler,
    Event,
}

impl Kind {
    pub const ALL: [(Self, &'static str, &'static str, &'static str); 8] = [
        (Self::Pool, "agentworkerpools", "agentworkers.io/v1alpha1", "AgentWorkerPool"),
        (Self::Deployment, "deployments", "apps/v1", "Deployment"),
        (Self::ReplicaSet, "replicasets", "apps/v1", "ReplicaSet"),
        (Self::Pod, "pods", "v1", "Pod"),
        (Self::ConfigMap, "configmaps", "v1", "ConfigMap"),
        (Self::Secret, "secrets", "v1", "Secret"),
        (Self::Autoscaler, "horizontalpodautoscalers", "autoscaling/v2", "HorizontalPodAutoscaler"),
        (Self::Event, "events", "events.k8s.io/v1", "Event"),
    ];

    pub fn of_plural(plural: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known, ..)| *known == plural).map(|(kind, ..)| kind)
    }

    fn row(self) -> (Self, &'static str, &'static str, &'static str) {
        Self::ALL.into_iter().find(|(kind, ..)| *kind == self).unwrap()
    }

    pub fn plural(self) -> &'static str {
        self.row().1
    }

    pub fn api_version(self) -> &'static str {
        self.row().2
    }

    pub fn name(self) -> &'static str {
        self.row().3
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Written,
    Deleted,
}

/// One version of an object, as watches tell it.
#[derive(Clone, Debug)]
pub struct Change {
    pub version: u64,
    /// Milliseconds of virtual time.
    pub at: u64,
    pub what: What,
    pub before: Option<Arc<Object>>,
    pub object: Arc<Object>,
}

/// The API server's answer where it is not yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct No {
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
    /// The field that is wrong.
    pub field: Option<&'static str>,
}

impl No {
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), field: None }
    }

    pub fn invalid(field: &'static str, why: &str) -> Self {
        Self { field: Some(field), ..Self::new(422, "Invalid", format!("{field}: Invalid value: {why}")) }
    }

    pub fn not_found(kind: Kind, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} \"{name}\" not found", kind.plural()))
    }

    pub fn conflict(kind: Kind, name: &str, why: &str) -> Self {
        Self::new(409, "Conflict", format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.plural()))
    }
}

#[derive(Debug, Default)]
pub struct Store {
    pub version: u64,
    objects: BTreeMap<Kind, BTreeMap<String, Arc<Object>>>,
    history: BTreeMap<Kind, Vec<Change>>,
    /// Watches from before this version are gone.
    pub compacted: u64,
    uids: u64,
    /// What was applied last by the one manager there is, by object and whether to its status.
    pub applied: BTreeMap<(Kind, String, bool), Value>,
    pub news: Arc<Notify>,
}

impl Store {
    pub fn get(&self, kind: Kind, name: &str) -> Option<&Arc<Object>> {
        self.objects.get(&kind)?.get(name)
    }

    pub fn all(&self, kind: Kind) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.get(&kind).into_iter().flat_map(BTreeMap::values)
    }

    /// What happened to objects of `kind` after `version`.
    pub fn since(&self, kind: Kind, version: u64) -> &[Change] {
        let all = self.history.get(&kind).map_or(&[][..], Vec::as_slice);
        &all[all.partition_point(|change| change.version <= version)..]
    }

    /// Watches that begin before this moment must list anew.
    pub fn compact(&mut self) {
        self.compacted = self.version;
    }

    pub fn create(&mut self, kind: Kind, mut object: Value, at: u64) -> Result<Arc<Object>, No> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if self.get(kind, &name).is_some() {
            return Err(No::new(409, "AlreadyExists", format!("{} \"{name}\" already exists", kind.plural())));
        }
        self.uids += 1;
        object["apiVersion"] = json!(kind.api_version());
        object["kind"] = json!(kind.name());
        object["metadata"]["namespace"] = json!(NAMESPACE);
        object["metadata"]["uid"] = json!(format!("uid-{:04}", self.uids));
        object["metadata"]["creationTimestamp"] = json!(super::super::world::rfc3339(at));
        object["metadata"]["generation"] = json!(1);
        Ok(self.put(kind, &name, object, at))
    }

    /// Changes an object. What changes nothing makes no version; a changed `spec` makes a generation,
    /// and a Deployment's annotations do.
    pub fn update(&mut self, kind: Kind, name: &str, at: u64, change: impl FnOnce(&mut Value)) -> Option<Arc<Object>> {
        let old = self.get(kind, name)?.clone();
        let mut new = Value::clone(&old);
        change(&mut new);
        if new == **old {
            return Some(old);
        }
        let noted = kind == Kind::Deployment && new["metadata"]["annotations"] != old["metadata"]["annotations"];
        if noted || new["spec"] != old["spec"] {
            new["metadata"]["generation"] = json!(old["metadata"]["generation"].as_i64().unwrap_or(0) + 1);
        }
        Some(self.put(kind, name, new, at))
    }

    fn put(&mut self, kind: Kind, name: &str, mut object: Value, at: u64) -> Arc<Object> {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let object = Arc::new(Object::new(object));
        let before = self.objects.entry(kind).or_default().insert(name.to_owned(), object.clone());
        self.tell(kind, Change { version: self.version, at, what: What::Written, before, object: object.clone() });
        object
    }

    pub fn delete(&mut self, kind: Kind, name: &str, at: u64) -> Option<Arc<Object>> {
        let before = self.objects.get_mut(&kind)?.remove(name)?;
        self.applied.retain(|(of, named, _), _| (*of, named.as_str()) != (kind, name));
        self.version += 1;
        let mut last = Value::clone(&before);
        last["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let object = Arc::new(Object::new(last));
        let change =
            Change { version: self.version, at, what: What::Deleted, before: Some(before), object: object.clone() };
        self.tell(kind, change);
        Some(object)
    }

    fn tell(&mut self, kind: Kind, change: Change) {
        self.history.entry(kind).or_default().push(change);
        self.news.notify_waiters();
    }
}
