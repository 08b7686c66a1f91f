//! A ReplicaSet: the link between a pod and its Deployment.

use k8s_openapi::api::apps::v1;
use serde::de::IgnoredAny;

use super::{Kept, Named, Wire};
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
    type Spec = IgnoredAny;
    type Status = IgnoredAny;
    type Data = IgnoredAny;

    fn keep(Wire { mut metadata, .. }: Wire<Self>) -> Self {
        Self {
            pool: metadata.label(labels::POOL),
            controller: metadata.controller(None),
            name: metadata.name,
            uid: metadata.uid,
        }
    }
}
