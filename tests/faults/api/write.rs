//! The writes of the API server: preconditions first, then the change.

use std::sync::Arc;

use serde_json::{Value, json};

use super::merge;
use super::object::Object;
use super::request::{Asked, Sub, Verb};
use super::store::{Kind, No, Store};

impl Store {
    pub fn write(&mut self, asked: &Asked, at: u64) -> Result<Arc<Object>, No> {
        match asked.verb {
            Verb::Create => self.create(asked.kind, asked.body.clone(), at),
            Verb::Apply => self.apply(asked, at),
            Verb::Merge => self.merge(asked, at),
            Verb::Delete => {
                self.delete(asked.kind, &asked.name, at).ok_or_else(|| No::not_found(asked.kind, &asked.name))
            }
            Verb::Get | Verb::List | Verb::Watch { .. } => Err(No::new(405, "MethodNotAllowed", "not a write")),
        }
    }

    /// A write that names a UID or a version is for that one only.
    fn check(asked: &Asked, live: &Value) -> Result<(), No> {
        let wanted = &asked.body["metadata"];
        let version = &wanted["resourceVersion"];
        if !version.is_null() && *version != live["metadata"]["resourceVersion"] {
            return Err(No::conflict(asked.kind, &asked.name, "the object has been modified"));
        }
        if !wanted["uid"].is_null() && wanted["uid"] != live["metadata"]["uid"] {
            return Err(No::invalid("metadata.uid", "field is immutable"));
        }
        Ok(())
    }

    fn apply(&mut self, asked: &Asked, at: u64) -> Result<Arc<Object>, No> {
        let (kind, name) = (asked.kind, asked.name.as_str());
        let status = asked.sub == Sub::Status;
        let key = (kind, name.to_owned(), status);
        let mut wanted = without_preconditions(&asked.body);
        if let Some(fields) = wanted.as_object_mut() {
            fields.retain(|field, _| if status { field == "status" } else { field != "status" });
        }
        let Some(live) = self.get(kind, name).cloned() else {
            // An apply creates, but not what it takes for an existing object, nor a mere status.
            if status {
                return Err(No::not_found(kind, name));
            }
            if !asked.body["metadata"]["uid"].is_null() {
                return Err(No::conflict(kind, name, "Precondition failed: UID in precondition"));
            }
            self.applied.insert(key, wanted.clone());
            let mut object = json!({});
            merge::apply(&mut object, None, &wanted);
            return self.create(kind, defaulted(kind, object), at);
        };
        Self::check(asked, &live)?;
        let before = self.applied.insert(key, wanted.clone());
        let written =
            self.update(kind, name, at, |object| merge::apply(object, before.as_ref(), &wanted)).ok_or_else(gone)?;
        Ok(written)
    }

    fn merge(&mut self, asked: &Asked, at: u64) -> Result<Arc<Object>, No> {
        let (kind, name) = (asked.kind, asked.name.as_str());
        let live = self.get(kind, name).cloned().ok_or_else(|| No::not_found(kind, name))?;
        Self::check(asked, &live)?;
        let patch = without_preconditions(&asked.body);
        if asked.sub == Sub::Scale {
            let replicas = patch["spec"]["replicas"].clone();
            let written =
                self.update(kind, name, at, |object| object["spec"]["replicas"] = replicas).ok_or_else(gone)?;
            return Ok(Arc::new(Object::new(scale(&written))));
        }
        self.update(kind, name, at, |object| merge::merge(object, &patch)).ok_or_else(gone)
    }
}

fn without_preconditions(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("uid");
        metadata.remove("resourceVersion");
    }
    body
}

fn gone() -> No {
    No::new(404, "NotFound", "it is gone")
}

fn defaulted(kind: Kind, mut object: Value) -> Value {
    if kind == Kind::Deployment && object["spec"]["replicas"].is_null() {
        object["spec"]["replicas"] = json!(1);
    }
    object
}

/// A Deployment as `/scale` shows it.
pub fn scale(deployment: &Value) -> Value {
    let metadata = &deployment["metadata"];
    json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale",
        "metadata": { "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"] },
        "spec": { "replicas": deployment["spec"]["replicas"] },
        "status": { "replicas": deployment["status"]["replicas"].as_u64().unwrap_or(0) },
    })
}
