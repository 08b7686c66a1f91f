//! Objects as the controller knows them: of each kind what somebody here reads, taken out of the API server's JSON as
//! it arrives. The rest (environments, volumes, managed fields, most of the status) is not even decoded: a thousand
//! pools would be mostly that.

mod autoscaler;
mod config_map;
mod deployment;
mod metadata;
mod pod;
mod pool;
mod replica_set;
mod secret;

use std::borrow::Cow;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::NamespaceResourceScope;
use kube::runtime::watcher::Event;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

pub use autoscaler::Autoscaler;
pub use config_map::ConfigMap;
pub use deployment::Deployment;
pub use metadata::Metadata;
pub use pod::Pod;
pub use pool::{ListedPool, Pool};
pub use replica_set::ReplicaSet;
pub use secret::Secret;

/// Something that has a name in its namespace.
pub trait Named {
    fn name(&self) -> &str;
}

/// What is kept of an object.
pub trait Kept: Named + Clone + fmt::Debug + Send + Sync + 'static {
    /// What the API server calls it.
    type Kind: Resource<DynamicType = (), Scope = NamespaceResourceScope>;
    /// What is decoded of it besides its metadata; [`serde::de::IgnoredAny`] where nothing is.
    type Spec: DeserializeOwned;
    type Status: DeserializeOwned;
    type Data: DeserializeOwned;

    fn keep(wire: Wire<Self>) -> Self;
}

/// An object as the API server writes it.
#[derive(Deserialize)]
#[serde(bound = "")]
pub struct Wire<K: Kept> {
    #[serde(default)]
    pub metadata: Metadata,
    pub spec: Option<K::Spec>,
    pub status: Option<K::Status>,
    pub data: Option<K::Data>,
}

/// An object as kube's client hands it over.
#[derive(Clone, Debug)]
pub struct Read<K> {
    /// The little that kube's watcher asks for.
    metadata: ObjectMeta,
    pub kept: K,
}

impl<'de, K: Kept> Deserialize<'de> for Read<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::<K>::deserialize(deserializer)?;
        let metadata = ObjectMeta {
            name: Some(wire.metadata.name.clone().into()),
            resource_version: Some(wire.metadata.resource_version.clone().into()),
            ..ObjectMeta::default()
        };
        Ok(Self { metadata, kept: K::keep(wire) })
    }
}

impl<K: Kept> Resource for Read<K> {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        K::Kind::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::Kind::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::Kind::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::Kind::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// What is kept of each object of a watch.
pub fn kept<K>(event: Event<Read<K>>) -> Event<K> {
    match event {
        Event::Apply(read) => Event::Apply(read.kept),
        Event::Delete(read) => Event::Delete(read.kept),
        Event::Init => Event::Init,
        Event::InitApply(read) => Event::InitApply(read.kept),
        Event::InitDone => Event::InitDone,
    }
}
