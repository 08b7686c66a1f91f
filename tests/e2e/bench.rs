//! A namespace, a vhost with a login, a queue, and an operator of one's own.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use awp::api::AgentWorkerPool;
use awp_testbed::base::wait;
use awp_testbed::operator::Options;
use awp_testbed::rabbitmq::User;
use awp_testbed::{Operator, RabbitMq, Replicas};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::cluster::Cluster;
use crate::worker_logs::Logs;

pub const AWP: &str = env!("CARGO_BIN_EXE_awp");
pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/awp");
pub const POOL: &str = "work";
pub const QUEUE: &str = "tasks";
pub const FAILED: &str = "tasks_failed";
const SECRET: &str = "rabbitmq";

/// Longer than anything here takes on a loaded machine.
pub const SOON: Duration = Duration::from_secs(60);

/// More at once would measure the machine rather than the product.
static TURNS: Semaphore = Semaphore::const_new(4);

pub struct Bench<'a> {
    pub cluster: &'a Cluster,
    pub broker: &'a RabbitMq,
    pub namespace: String,
    pub vhost: String,
    pub operator: Operator,
    folder: tempfile::TempDir,
    _turn: SemaphorePermit<'static>,
}

impl<'a> Bench<'a> {
    /// With the work queue and its dead-letter queue; the pool is still to be applied.
    pub async fn new(cluster: &'a Cluster, broker: &'a RabbitMq, name: &str) -> Self {
        let turn = TURNS.acquire().await.unwrap();
        let vhost = broker.vhost(name).await.unwrap();
        let namespace = cluster.plane.namespace(name).await.unwrap();
        let options = Options::new(AWP, CHART, &namespace);
        let operator = Operator::start(&cluster.plane, &options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let bench = Self { cluster, broker, namespace, vhost, operator, folder, _turn: turn };
        broker.add_user(User::monitoring(&bench.vhost, "first"), &bench.vhost).await.unwrap();
        bench.set_password("first").await;
        bench.publish(&["--declare"], "").await;
        bench
    }

    /// In the Secret that the pool names, and for this bench's own publishing.
    pub async fn set_password(&self, password: &str) {
        std::fs::write(self.path("username"), &self.vhost).unwrap();
        std::fs::write(self.path("password"), password).unwrap();
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET},
            "stringData": {"username": self.vhost, "password": password},
        }))
        .await;
    }

    pub async fn apply(&self, object: &Value) {
        let mut object = object.clone();
        object["metadata"]["namespace"] = json!(self.namespace);
        self.cluster.plane.apply(&object.to_string()).await.unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn login(&self) -> &Path {
        self.folder.path()
    }

    pub fn uri(&self) -> String {
        self.broker.amqp_uri(&self.vhost)
    }

    /// A pool of `awp worker` with these arguments: two tasks at once each, quick to come and to go.
    pub fn pool(&self, worker: &[&str]) -> Value {
        let args: Vec<&str> = ["worker"].iter().chain(worker).copied().collect();
        let agent = json!({
            "name": "agent", "image": "awp:dev", "args": args,
            "readinessProbe": {"httpGet": {"path": "/ready", "port": 9464}, "periodSeconds": 1},
        });
        json!({
            "apiVersion": "agentworkers.io/v1alpha1", "kind": "AgentWorkerPool", "metadata": {"name": POOL},
            "spec": {
                "broker": {"rabbitmq": {
                    "uri": self.uri(), "managementUri": self.broker.management_uri(),
                    "credentials": {"secretRef": {"name": SECRET}}, "queues": [QUEUE],
                }},
                "worker": {"statusPort": 9464, "template": {"spec": {"containers": [agent]}}},
                "prefetch": {"fixed": 2},
                "scaling": {"maxReplicas": 4, "startWithin": "60s", "taskDuration": "20s", "scaleDownWindow": "3s"},
            },
        })
    }

    /// Applies a pool and waits until its queue is read.
    pub async fn with(self, pool: &Value) -> Self {
        self.apply(pool).await;
        self.until("the queue is read", async || Ok(self.condition("BacklogKnown").await? == "True")).await;
        self
    }

    pub async fn status(&self) -> anyhow::Result<Value> {
        let pools = Api::<AgentWorkerPool>::namespaced(self.cluster.plane.admin(), &self.namespace);
        Ok(serde_json::to_value(pools.get(POOL).await?.status)?)
    }

    /// `True`, `False`, or empty for none.
    pub async fn condition(&self, type_: &str) -> anyhow::Result<String> {
        let status = self.status().await?;
        let all = status["conditions"].as_array().cloned().unwrap_or_default();
        let found = all.iter().find(|condition| condition["type"] == type_);
        Ok(found.and_then(|condition| condition["status"].as_str()).unwrap_or_default().to_owned())
    }

    /// Runs `awp publish`; answers the confirmed ids.
    pub async fn publish(&self, args: &[&str], input: &str) -> BTreeSet<String> {
        let mut command = Command::new(AWP);
        command.args(["publish", "--uri", &self.uri(), "--queue", QUEUE, "--credentials-dir"]).arg(self.login());
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(Into::into).collect()
    }

    /// So many simulated tasks, of so many seconds by chance.
    pub async fn burst(&self, count: u32, seconds: &str) -> BTreeSet<String> {
        let ids = self.publish(&["--durations", seconds, "--count", &count.to_string(), "--seed", "1"], "").await;
        assert_eq!(ids.len(), count as usize);
        ids
    }

    /// The replicas that the pool's Deployment (or the named one) has and gets from now on.
    pub fn record(&self, deployment: &str) -> Replicas {
        Replicas::follow(self.cluster.plane.admin(), &self.namespace, deployment)
    }

    /// What the workers of this namespace have logged.
    pub fn logs(&self) -> Logs {
        Logs::read(&self.cluster.logs, &self.namespace)
    }

    pub async fn until_done(&self, ids: &BTreeSet<String>) {
        self.until("every task is done", async || Ok(ids.is_subset(&self.logs().done().into_keys().collect()))).await;
    }

    /// No pod is left, nor a message on the queue.
    pub async fn until_asleep(&self) {
        self.until("no pod is left", async || Ok(self.pods().await?.is_empty())).await;
        let counts = self.broker.counts(&self.vhost, QUEUE).await.unwrap();
        assert_eq!((counts.ready, counts.unacked), (0, 0));
    }

    async fn pods(&self) -> kube::Result<Vec<Pod>> {
        let pods = Api::<Pod>::namespaced(self.cluster.plane.admin(), &self.namespace);
        Ok(pods.list(&ListParams::default()).await?.items)
    }

    /// Of the containers of all pods there are.
    pub async fn restarts(&self) -> i32 {
        let statuses = self.pods().await.unwrap().into_iter().filter_map(|pod| pod.status?.container_statuses);
        statuses.flatten().map(|container| container.restart_count).sum()
    }

    /// How often the broker has given a message out for a second time.
    pub async fn redelivered(&self) -> u64 {
        let queue = self.broker.management_get(&format!("/api/queues/{}/{QUEUE}", self.vhost)).await.unwrap();
        queue["message_stats"]["redeliver"].as_u64().unwrap_or(0)
    }

    /// Waits; what takes too long fails with what operator and workers said.
    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> anyhow::Result<bool>) {
        let reached = wait::until(what, SOON, async || Ok(holds().await?.then_some(()))).await;
        if let Err(error) = reached {
            self.fail(&error).await;
        }
    }

    pub async fn fail(&self, why: &dyn Debug) -> ! {
        let log = self.operator.log();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(20)..].join("\n");
        let status = self.status().await;
        panic!("{why:?}\nstatus: {status:?}\noperator:\n{end}\nworkers:\n{}", self.logs().tail());
    }
}
