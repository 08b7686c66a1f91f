//! What all pods of a node share.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::Client;

use super::addresses::Addresses;
use super::argv::Images;
use super::env::Variables;
use super::launcher::Launcher;
use super::objects::Objects;

/// No answer within this time counts as an unreachable API server: pods have to be stopped in time without it.
const API_TIMEOUT: Duration = Duration::from_secs(5);

pub struct Context {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub taints: BTreeMap<String, String>,
    pub client: Client,
    pub images: Images,
    pub objects: Objects,
    pub launcher: Arc<Launcher>,
    pub addresses: Arc<Addresses>,
    pub http: reqwest::Client,
    pub restart_backoff: Duration,
    pub retry: Duration,
    /// The folders of pods.
    pub pods: PathBuf,
    pub logs: PathBuf,
    /// The API server as pods reach it.
    pub server: String,
    /// Variables of this machine that containers get too.
    pub machine: Variables,
}

impl Context {
    /// Resources of the node: large, because processes are not limited and the scheduler shall place them all here.
    pub fn resources() -> BTreeMap<String, Quantity> {
        [("cpu", "128"), ("memory", "1Ti"), ("ephemeral-storage", "1Ti"), ("pods", "1000")]
            .map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned())))
            .into()
    }

    pub fn log_path(&self, namespace: &str, pod: &str, container: &str) -> PathBuf {
        log_path(&self.logs, namespace, pod, container)
    }
}

pub fn log_path(logs: &Path, namespace: &str, pod: &str, container: &str) -> PathBuf {
    logs.join(format!("{namespace}_{pod}_{container}.log"))
}

/// A call of the API with its time bounded; nothing when it took too long.
pub async fn bounded<T>(call: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(API_TIMEOUT, call).await.ok()
}

/// The same with a sentence for every error.
pub async fn api<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, String> {
    match bounded(call).await {
        Some(answer) => answer.map_err(|error| error.to_string()),
        None => Err(format!("the API server did not answer within {API_TIMEOUT:?}")),
    }
}
