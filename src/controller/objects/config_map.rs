//! A pool's ConfigMap.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1;
use serde::de::IgnoredAny;

use super::{Kept, Named, Wire};
use crate::api::names::{annotations, labels};

#[derive(Clone, Debug)]
pub struct ConfigMap {
    pub name: Box<str>,
    pub uid: Box<str>,
    pub resource_version: Box<str>,
    /// By its label, which anybody can write.
    pub pool: Option<Box<str>>,
    /// UID of what controls it.
    pub controller: Option<Box<str>>,
    /// What the pool's prefetch was when.
    pub prefetch_history: Option<Box<str>>,
    /// In the order of the keys.
    pub data: Box<[(Box<str>, Box<str>)]>,
}

impl ConfigMap {
    /// Whether `data` is its data, and all of it.
    pub fn says(&self, data: &BTreeMap<String, String>) -> bool {
        data.len() == self.data.len() && data.iter().all(|(key, text)| self.get(key) == Some(text))
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.data.iter().find(|(name, _)| **name == *key).map(|(_, text)| &**text)
    }
}

impl Named for ConfigMap {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Kept for ConfigMap {
    type Kind = v1::ConfigMap;
    type Spec = IgnoredAny;
    type Status = IgnoredAny;
    type Data = BTreeMap<Box<str>, Box<str>>;

    fn keep(Wire { mut metadata, data, .. }: Wire<Self>) -> Self {
        Self {
            pool: metadata.label(labels::POOL),
            controller: metadata.controller(None),
            prefetch_history: metadata.annotation(annotations::PREFETCH_HISTORY),
            data: data.unwrap_or_default().into_iter().collect(),
            name: metadata.name,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
        }
    }
}
