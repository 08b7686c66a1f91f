//! A node that runs its pods as processes of this machine: no root, no container engine, no images.
//!
//! To the API server it is a node like any other: a Node object with a lease, pods bound by the scheduler, their
//! status, their graceful deletion. On this side a small agent starts the local command that an *image map* gives
//! for each image, with the environment, volumes, probes, hooks, restarts and grace periods that the pod asks for.
//!
//! | of a pod | on this node |
//! |---|---|
//! | image | a command from the image map; any other image is `ErrImageNeverPull` |
//! | volume mounts | folders of the pod; where an env value or argument is a mount path (or begins with one), the folder takes its place |
//! | ServiceAccount | `KUBECONFIG` points at one made of the mounted token |
//! | pod address | a loopback address of its own, told by `status.podIP`; the process must listen on it, not on 0.0.0.0 |
//! | logs | `<dir>/logs/<namespace>_<pod>_<container>.log` |
//! | limits, security context, ports, host names | not enforced: a process is not a container |
//!
//! All processes end with the node: when it is stopped, dropped, or killed with -9.

mod addresses;
mod agent;
mod argv;
mod backoff;
mod checks;
pub mod cli;
mod container;
mod context;
mod env;
mod expand;
mod fields;
#[cfg(test)]
mod fixtures;
mod folder;
mod launcher;
mod lifecycle;
#[cfg(test)]
mod lifecycle_tests;
mod mounted;
mod mounts;
mod node_object;
mod objects;
mod order;
mod plan;
mod pod;
mod probes;
mod publish;
mod quantity;
mod recipe;
mod running;
mod setup;
mod start;
mod status;
#[cfg(test)]
mod status_tests;
mod stragglers;
mod volumes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::oneshot;

#[derive(Clone, Debug)]
pub struct Options {
    /// The Node's name, and its `kubernetes.io/hostname`.
    pub name: String,
    /// Image reference → the local command that plays the image's entrypoint.
    pub images: BTreeMap<String, Vec<String>>,
    /// Where logs and the folders of pods are kept.
    pub dir: PathBuf,
    /// More labels of the Node.
    pub labels: BTreeMap<String, String>,
    /// Taints (`NoSchedule`), by key and value: in a cluster with other nodes they keep away pods that mean those.
    pub taints: BTreeMap<String, String>,
    /// The wait before the second restart of a container; it doubles up to five minutes.
    pub restart_backoff: Duration,
    /// How soon a container is tried again whose Secret, `ConfigMap` or volume is missing. A change of one of them
    /// tries again at once.
    pub retry: Duration,
    /// The longest grace of a pod when the node is stopped.
    pub stop_within: Duration,
}

impl Options {
    /// The times of a real kubelet, and no images.
    pub fn new(name: impl Into<String>, dir: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            images: BTreeMap::new(),
            dir: dir.into(),
            labels: BTreeMap::new(),
            taints: BTreeMap::new(),
            restart_backoff: Duration::from_secs(10),
            retry: Duration::from_secs(2),
            stop_within: Duration::from_secs(5),
        }
    }

    /// Adds an image. An empty command is an image without entrypoint: its pods bring their `command`.
    #[must_use]
    pub fn image(mut self, reference: &str, command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.images.insert(reference.to_owned(), command.into_iter().map(Into::into).collect());
        self
    }
}

/// A running process node. Dropping it ends it as a power cut would: processes are killed, the API server is told
/// nothing. [`ProcessNode::stop`] takes it out of the cluster in order.
#[derive(Debug)]
pub struct ProcessNode {
    name: String,
    logs: PathBuf,
    stop_within: Duration,
    stop: Option<oneshot::Sender<Duration>>,
    ended: Option<oneshot::Receiver<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ProcessNode {
    /// Registers the node and begins to run pods, on a thread of its own: the caller's runtime may end before it.
    pub async fn start(kubeconfig: &Path, options: Options) -> Result<Self> {
        let name = options.name.clone();
        let logs = options.dir.join("logs");
        let stop_within = options.stop_within;
        let (stop, stopped) = oneshot::channel();
        let (started, starting) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let kubeconfig = kubeconfig.to_owned();
        let thread = std::thread::Builder::new().name(format!("node {name}")).spawn(move || {
            start::run(&kubeconfig, options, started, stopped);
            // The node may be dropped already.
            let _ = end.send(());
        })?;
        starting.await.context("the thread of the process node ended")??;
        Ok(Self { name, logs, stop_within, stop: Some(stop), ended: Some(ended), thread: Some(thread) })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a container has written so far, over all its runs; nothing before its first start.
    pub fn log(&self, namespace: &str, pod: &str, container: &str) -> String {
        let path = self.log_path(namespace, pod, container);
        std::fs::read(path).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    pub fn log_path(&self, namespace: &str, pod: &str, container: &str) -> PathBuf {
        context::log_path(&self.logs, namespace, pod, container)
    }

    /// Removes the node from the cluster, stops its pods (SIGTERM, at most `stop_within`, SIGKILL) and deletes them.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // It has ended by itself if nobody listens.
            let _ = stop.send(self.stop_within);
        }
        if let Some(ended) = self.ended.take() {
            let _ = ended.await;
        }
    }
}

impl Drop for ProcessNode {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed; the watchdog has cleaned up.
            let _ = thread.join();
        }
    }
}
