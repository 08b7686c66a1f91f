//! Looking at what the operator did.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use awp::api::AgentWorkerPool;
use awp::api::status::AgentWorkerPoolStatus;
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::ListParams;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};

use crate::stage::Stage;

/// Every number of replicas a Deployment was asked for, in order.
pub struct History {
    seen: Arc<Mutex<Vec<i32>>>,
    task: tokio::task::JoinHandle<()>,
}

impl History {
    pub fn replicas(&self) -> Vec<i32> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stage<'_> {
    pub fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.cluster.admin(), &self.namespace)
    }

    pub fn pools(&self) -> Api<AgentWorkerPool> {
        Api::namespaced(self.cluster.admin(), &self.namespace)
    }

    pub async fn deployment(&self, name: &str) -> Option<Deployment> {
        self.deployments().get_opt(name).await.ok().flatten()
    }

    /// `spec.replicas`; `None` without a Deployment.
    pub async fn replicas_now(&self, name: &str) -> Option<i32> {
        self.deployment(name).await?.spec?.replicas
    }

    pub async fn generation(&self, name: &str) -> i64 {
        self.deployment(name).await.unwrap().metadata.generation.unwrap()
    }

    /// Waits until the Deployment asks for this many.
    pub async fn replicas(&self, name: &str, count: i32) {
        self.until(&format!("{name} asks for {count} workers"), async || {
            (self.replicas_now(name).await == Some(count)).then_some(())
        })
        .await;
    }

    /// Waits until the Deployment asks for this many, all are ready, and no other is left.
    pub async fn running(&self, name: &str, count: usize) -> Vec<String> {
        self.replicas(name, i32::try_from(count).unwrap()).await;
        self.until(&format!("{count} workers of {name} are ready"), async || {
            let pods = self.pods(name).await;
            (pods.len() == count && pods.iter().all(ready)).then(|| pods.iter().map(ResourceExt::name_any).collect())
        })
        .await
    }

    pub async fn pods(&self, name: &str) -> Vec<Pod> {
        let pods: Api<Pod> = Api::namespaced(self.cluster.admin(), &self.namespace);
        let Ok(listed) = pods.list(&ListParams::default()).await else { return Vec::new() };
        let prefix = format!("{name}-");
        listed.items.into_iter().filter(|pod| pod.name_any().starts_with(&prefix)).collect()
    }

    pub fn history(&self, name: &str) -> History {
        let seen: Arc<Mutex<Vec<i32>>> = Arc::default();
        let noted = seen.clone();
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut events = watcher::watcher(self.deployments(), config).default_backoff().applied_objects().boxed();
        let task = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                let Some(replicas) = event.ok().and_then(|live| live.spec?.replicas) else { continue };
                let mut noted = noted.lock().unwrap();
                if noted.last() != Some(&replicas) {
                    noted.push(replicas);
                }
            }
        });
        History { seen, task }
    }

    pub async fn status(&self, pool: &str) -> AgentWorkerPoolStatus {
        self.pools().get_opt(pool).await.ok().flatten().and_then(|pool| pool.status).unwrap_or_default()
    }

    pub async fn condition_now(&self, pool: &str, type_: &str) -> Option<Condition> {
        self.status(pool).await.conditions.into_iter().find(|condition| condition.type_ == type_)
    }

    /// Waits for a condition, such as `"Ready=False SecretNotFound"`; answers its message.
    pub async fn condition(&self, pool: &str, wanted: &str) -> String {
        let (claim, reason) = wanted.split_once(' ').unwrap_or((wanted, ""));
        let (type_, status) = claim.split_once('=').unwrap();
        self.until(&format!("{pool} says {wanted}"), async || {
            let said = self.condition_now(pool, type_).await?;
            (said.status == status && (reason.is_empty() || said.reason == reason)).then_some(said.message)
        })
        .await
    }

    pub async fn without_condition(&self, pool: &str, type_: &str) {
        self.until(&format!("{pool} says {type_} no more"), async || {
            self.condition_now(pool, type_).await.is_none().then_some(())
        })
        .await;
    }

    pub async fn events(&self) -> Vec<Event> {
        let events: Api<Event> = Api::namespaced(self.cluster.admin(), &self.namespace);
        let Ok(listed) = events.list(&ListParams::default()).await else { return Vec::new() };
        listed.items.into_iter().filter(|event| event.reporting_controller.as_deref() == Some("awp")).collect()
    }

    /// Waits for an event of the operator's about this pool; answers its note.
    pub async fn event(&self, pool: &str, reason: &str) -> String {
        self.until(&format!("{pool} has an event {reason}"), async || {
            let events = self.events().await.into_iter();
            events
                .filter(|event| event.regarding.as_ref().and_then(|it| it.name.as_deref()) == Some(pool))
                .find(|event| event.reason.as_deref() == Some(reason))
                .and_then(|event| event.note)
        })
        .await
    }

    /// Who wrote what of the Deployment: managers with a subresource where it was one.
    pub async fn managers(&self, deployment: &str) -> BTreeSet<String> {
        let live = self.deployment(deployment).await.unwrap();
        let managers = live.metadata.managed_fields.unwrap_or_default().into_iter();
        managers
            .map(|one| match one.subresource {
                Some(part) => format!("{}/{part}", one.manager.unwrap_or_default()),
                None => one.manager.unwrap_or_default(),
            })
            .collect()
    }
}

pub fn ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}
