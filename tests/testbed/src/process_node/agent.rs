//! The node's main loop: follows the pods that are bound to it, one task each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use kube::{Api, ResourceExt};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::context::Context;
use super::node_object;
use super::order::Order;
use super::pod;

/// Killed processes are gone at once; a longer wait means that one hangs in the kernel.
const KILLED_WITHIN: Duration = Duration::from_secs(5);

struct Agent {
    context: Arc<Context>,
    /// By UID: a new pod of the same name is another pod.
    pods: BTreeMap<String, watch::Sender<Order>>,
    tasks: JoinSet<()>,
    /// The pods seen since a watch began anew.
    listed: BTreeSet<String>,
}

/// Runs the node until `stop` asks for its end with a time limit, or is dropped: then all ends at once, as when a
/// machine loses power, and the API server is told nothing.
pub async fn run(context: Arc<Context>, stop: oneshot::Receiver<Duration>) {
    let mut agent =
        Agent { context: context.clone(), pods: BTreeMap::new(), tasks: JoinSet::new(), listed: BTreeSet::new() };
    let within = tokio::select! {
        within = stop => within.ok(),
        () = agent.follow_pods() => None,
        () = context.objects.clone().announce_changes() => None,
        () = node_object::stay_alive(&context) => None,
    };
    if let Some(within) = within {
        agent.evict(within).await;
    }
    agent.kill().await;
}

impl Agent {
    async fn follow_pods(&mut self) {
        let pods = Api::<Pod>::all(self.context.client.clone());
        let bound = watcher::Config::default().fields(&format!("spec.nodeName={}", self.context.name));
        let mut events = std::pin::pin!(watch_objects(pods, bound).default_backoff());
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.take(event),
                Err(error) => tracing::warn!(%error, "the watch of pods was interrupted"),
            }
            // Collects the tasks of pods that are gone.
            while self.tasks.try_join_next().is_some() {}
        }
    }

    fn take(&mut self, event: Event<Pod>) {
        match event {
            Event::Init => self.listed.clear(),
            Event::InitApply(pod) => {
                self.listed.extend(pod.uid());
                self.update(pod);
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                let gone: Vec<_> = self.pods.keys().filter(|uid| !listed.contains(*uid)).cloned().collect();
                for uid in gone {
                    self.forget(&uid);
                }
            }
            Event::Apply(pod) => self.update(pod),
            Event::Delete(pod) => self.forget(&pod.uid().unwrap_or_default()),
        }
    }

    fn update(&mut self, pod: Pod) {
        let pod = Arc::new(pod);
        if let Some(orders) = self.pods.get(&pod.uid().unwrap_or_default()) {
            orders.send_modify(|order| order.pod = pod);
            return;
        }
        let uid = pod.uid().unwrap_or_default();
        let (sender, orders) = watch::channel(Order { pod, gone: false, evict_within: None });
        self.pods.insert(uid, sender);
        self.tasks.spawn(pod::run(self.context.clone(), orders));
    }

    fn forget(&mut self, uid: &str) {
        if let Some(orders) = self.pods.remove(uid) {
            orders.send_modify(|order| order.gone = true);
        }
    }

    /// Leaves the cluster in order: no new pods, the old ones stopped with their grace within the limit and deleted.
    async fn evict(&mut self, within: Duration) {
        if let Err(error) = node_object::remove(&self.context).await {
            tracing::warn!(%error, node = self.context.name, "the node object stays behind");
        }
        for orders in self.pods.values() {
            orders.send_modify(|order| order.evict_within = Some(within));
        }
        self.finish_tasks(within + KILLED_WITHIN).await;
    }

    async fn kill(&mut self) {
        for orders in self.pods.values() {
            orders.send_modify(|order| order.gone = true);
        }
        self.finish_tasks(KILLED_WITHIN).await;
    }

    async fn finish_tasks(&mut self, within: Duration) {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // What is left over is killed next, or by the watchdog.
        let _ = tokio::time::timeout(within, all).await;
    }
}
