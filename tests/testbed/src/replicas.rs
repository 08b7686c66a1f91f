//! The replicas of a Deployment over time, as the API server tells its watchers.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::watcher::Config;
use kube::{Api, Client};

use crate::changes::{Changes, History};

/// Follows from its making on; dropping it ends that.
#[derive(Debug)]
pub struct Replicas {
    name: String,
    changes: Changes<i32>,
}

/// What a Deployment asks for.
pub fn of(deployment: &Deployment) -> Option<i32> {
    Some(deployment.spec.as_ref()?.replicas.unwrap_or(0))
}

impl Replicas {
    pub fn follow(client: Client, namespace: &str, name: &str) -> Self {
        let config = Config::default().fields(&format!("metadata.name={name}"));
        let changes = Changes::follow(Api::<Deployment>::namespaced(client, namespace), config, of);
        Self { name: name.to_owned(), changes }
    }

    /// The first entry is what there was.
    pub fn changes(&self) -> History<i32> {
        self.changes.of(&self.name)
    }

    /// The numbers of [`Replicas::changes`].
    pub fn history(&self) -> Vec<i32> {
        self.changes().iter().map(|(_, replicas)| *replicas).collect()
    }

    pub fn now(&self) -> i32 {
        self.history().last().copied().unwrap_or(0)
    }

    /// When replicas fell.
    pub fn falls(&self) -> Vec<Timestamp> {
        self.changes().windows(2).filter(|pair| pair[1].1 < pair[0].1).map(|pair| pair[1].0).collect()
    }
}
