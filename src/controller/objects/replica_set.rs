//! A ReplicaSet: the link between a pod and its Deployment.

use k8s_openapi::api::apps::v1;
use serde::Deserialize;

use super::{Kept, Metadata, Named};
use crate::api::names::labels;

#[derive(Clone, Debug)]
pub struct ReplicaSet {
    pub name: Box<str>,
    pub uid: Box<str>,
    /// By its label, which anybody can write.
    pub pool: Option<Box<str>>,
    /// UID of what controls it.
    pub controller: Option<Box<str>>,
}

impl Named for ReplicaSet {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Kept for ReplicaSet {
    type Kind = v1::ReplicaSet;
    type Wire = Wire;

    fn keep(Wire { mut metadata }: Wire) -> Self {
        Self {
            pool: metadata.label(labels::POOL),
            controller: metadata.controller(None),
            name: metadata.name,
            uid: metadata.uid,
        }
    }
}

#[derive(Deserialize)]
pub struct Wire {
    #[serde(default)]
    metadata: Metadata,
}

impl AsRef<Metadata> for Wire {
    fn as_ref(&self) -> &Metadata {
        &self.metadata
    }
}
