//! A Secret that a pool names. Nothing here shows what it holds.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1;
use serde::de::IgnoredAny;

use super::{Kept, Named, Wire};

#[derive(Clone)]
pub struct Secret {
    pub name: Box<str>,
    pub data: BTreeMap<String, ByteString>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Named for Secret {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Kept for Secret {
    type Kind = v1::Secret;
    type Spec = IgnoredAny;
    type Status = IgnoredAny;
    type Data = BTreeMap<String, ByteString>;

    fn keep(Wire { metadata, data, .. }: Wire<Self>) -> Self {
        Self { name: metadata.name, data: data.unwrap_or_default() }
    }
}
