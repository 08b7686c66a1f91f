//! `metadata`, without managed fields and what else nobody here reads.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Deserialize;

use crate::controller::times;
use crate::scaling::time::Timestamp;

/// Text that is not there is empty here: the API server gives every object a name, a version and a UID.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    pub name: Box<str>,
    pub uid: Box<str>,
    pub resource_version: Box<str>,
    pub generation: i64,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, Box<str>>>,
    annotations: Option<BTreeMap<String, Box<str>>>,
    owner_references: Option<Vec<Owner>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Owner {
    kind: String,
    uid: Box<str>,
    controller: Option<bool>,
}

impl Metadata {
    pub fn created(&self) -> Option<Timestamp> {
        self.creation_timestamp.as_ref().map(times::from_kubernetes)
    }

    /// On its way out.
    pub fn ends(&self) -> bool {
        self.deletion_timestamp.is_some()
    }

    pub fn label(&mut self, name: &str) -> Option<Box<str>> {
        self.labels.as_mut()?.remove(name)
    }

    pub fn annotation(&mut self, name: &str) -> Option<Box<str>> {
        self.annotations.as_mut()?.remove(name)
    }

    /// UID of what controls the object, if that is a `kind`; `None` for `kind` = whatever it is.
    pub fn controller(&mut self, kind: Option<&str>) -> Option<Box<str>> {
        let owners = self.owner_references.take()?;
        let mut controllers = owners.into_iter().filter(|owner| owner.controller == Some(true));
        controllers.find(|owner| kind.is_none_or(|kind| owner.kind == kind)).map(|owner| owner.uid)
    }
}
