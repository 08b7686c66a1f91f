//! The replicas of a Deployment over time, as the API server tells its watchers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, watcher};
use kube::{Api, Client};
use tokio_util::task::AbortOnDropHandle;

/// When, by the clock of this machine, and how many from then on.
pub type Change = (Timestamp, i32);

/// Follows from its making on; dropping it ends that.
#[derive(Debug)]
pub struct Replicas {
    seen: Arc<Mutex<Vec<Change>>>,
    _task: AbortOnDropHandle<()>,
}

impl Replicas {
    pub fn follow(client: Client, namespace: &str, name: &str) -> Self {
        let deployments = Api::<Deployment>::namespaced(client, namespace);
        let config = Config::default().fields(&format!("metadata.name={name}"));
        let seen = Arc::<Mutex<Vec<Change>>>::default();
        let record = seen.clone();
        let task = tokio::spawn(async move {
            let mut stream = std::pin::pin!(watcher(deployments, config).default_backoff().applied_objects());
            while let Some(event) = stream.next().await {
                // An API server that is away is asked again.
                let Ok(deployment) = event else { continue };
                let replicas = deployment.spec.and_then(|spec| spec.replicas).unwrap_or(0);
                let mut record = lock(&record);
                if record.last().is_none_or(|(_, last)| *last != replicas) {
                    record.push((Timestamp::now(), replicas));
                }
            }
        });
        Self { seen, _task: AbortOnDropHandle::new(task) }
    }

    /// The first entry is what there was.
    pub fn changes(&self) -> Vec<Change> {
        lock(&self.seen).clone()
    }

    /// The numbers of [`Replicas::changes`].
    pub fn history(&self) -> Vec<i32> {
        lock(&self.seen).iter().map(|(_, replicas)| *replicas).collect()
    }

    pub fn now(&self) -> i32 {
        self.history().last().copied().unwrap_or(0)
    }

    /// When replicas fell.
    pub fn falls(&self) -> Vec<Timestamp> {
        let seen = lock(&self.seen);
        seen.windows(2).filter(|pair| pair[1].1 < pair[0].1).map(|pair| pair[1].0).collect()
    }
}

fn lock(seen: &Mutex<Vec<Change>>) -> MutexGuard<'_, Vec<Change>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
