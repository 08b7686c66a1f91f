//! The Secrets, `ConfigMaps` and tokens that pods refer to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::try_join_all;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use tokio::sync::broadcast;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    ConfigMap,
    Secret,
}

/// An object in the pod's own namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    pub kind: Kind,
    pub name: String,
}

impl Reference {
    pub fn new(kind: Kind, name: &str) -> Self {
        Self { kind, name: name.to_owned() }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::ConfigMap => "configmap",
            Kind::Secret => "secret",
        };
        write!(f, "{kind} {:?}", self.name)
    }
}

/// Why a container cannot start yet, in the words of a container status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    pub reason: &'static str,
    pub message: String,
}

impl Blocked {
    /// A reference or setting that does not fit; tried again, because what it names may still come.
    pub fn config(message: String) -> Self {
        Self { reason: "CreateContainerConfigError", message }
    }
}

pub type Data = BTreeMap<String, Vec<u8>>;

/// What was found of the objects a pod refers to.
#[derive(Clone, Debug, Default)]
pub struct Found(BTreeMap<Reference, Data>);

impl Found {
    /// The object's data; nothing when it is missing and may be.
    pub fn object(&self, reference: &Reference, optional: bool) -> Result<Option<&Data>, Blocked> {
        match self.0.get(reference) {
            Some(data) => Ok(Some(data)),
            None if optional => Ok(None),
            None => Err(Blocked::config(format!("{reference} not found"))),
        }
    }

    /// One key's value; nothing when the object or the key is missing and may be.
    pub fn text(&self, reference: &Reference, key: &str, optional: bool) -> Result<Option<String>, Blocked> {
        let Some(data) = self.object(reference, optional)? else { return Ok(None) };
        match data.get(key) {
            Some(value) => Ok(Some(String::from_utf8_lossy(value).into_owned())),
            None if optional => Ok(None),
            None => Err(Blocked::config(format!("couldn't find key {key} in {reference}"))),
        }
    }

    #[cfg(test)]
    pub fn with<const N: usize>(mut self, reference: Reference, data: [(&str, &str); N]) -> Self {
        self.0.insert(reference, data.map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec())).into());
        self
    }
}

/// An object changed: its kind, namespace and name.
pub type Change = (Kind, String, String);

/// Reads objects, and tells which ones changed.
#[derive(Clone)]
pub struct Objects {
    client: Client,
    changes: broadcast::Sender<Arc<Change>>,
}

impl Objects {
    pub fn new(client: Client) -> Self {
        Self { client, changes: broadcast::channel(256).0 }
    }

    pub fn changes(&self) -> broadcast::Receiver<Arc<Change>> {
        self.changes.subscribe()
    }

    /// Reads every object from the server: what a container starts with is never older than its pod.
    pub async fn find(&self, namespace: &str, references: BTreeSet<Reference>) -> Result<Found, kube::Error> {
        let found = references.into_iter().map(|reference| async move {
            let data = match reference.kind {
                Kind::Secret => self.secret(namespace, &reference.name).await?,
                Kind::ConfigMap => self.config_map(namespace, &reference.name).await?,
            };
            Ok::<_, kube::Error>(data.map(|data| (reference, data)))
        });
        Ok(Found(try_join_all(found).await?.into_iter().flatten().collect()))
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Data>, kube::Error> {
        let secret = Api::<Secret>::namespaced(self.client.clone(), namespace).get_opt(name).await?;
        Ok(secret.map(|secret| secret.data.unwrap_or_default().into_iter().map(|(key, data)| (key, data.0)).collect()))
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<Data>, kube::Error> {
        let map = Api::<ConfigMap>::namespaced(self.client.clone(), namespace).get_opt(name).await?;
        Ok(map.map(|map| {
            let text = map.data.unwrap_or_default().into_iter().map(|(key, text)| (key, text.into_bytes()));
            let binary = map.binary_data.unwrap_or_default().into_iter().map(|(key, data)| (key, data.0));
            text.chain(binary).collect()
        }))
    }

    /// Watches the metadata of all Secrets and `ConfigMaps` and announces changes, without end.
    pub async fn announce_changes(self) {
        tokio::join!(self.announce::<Secret>(Kind::Secret), self.announce::<ConfigMap>(Kind::ConfigMap));
    }

    async fn announce<K>(&self, kind: Kind)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + fmt::Debug + Send + 'static,
    {
        let api = Api::<PartialObjectMeta<K>>::all(self.client.clone());
        let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff().touched_objects());
        while let Some(event) = events.next().await {
            if let Ok(object) = event {
                // Nobody listens while the node has no pods.
                let _ = self.changes.send(Arc::new((kind, object.namespace().unwrap_or_default(), object.name_any())));
            }
        }
    }
}
