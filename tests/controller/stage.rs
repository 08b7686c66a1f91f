//! What every test stands on: a namespace with an operator of its own, a vhost, a login and its Secret. Control plane,
//! RabbitMQ and kwok are shared by the process.

use std::path::Path;
use std::time::{Duration, SystemTime};

use awp_testbed::base::wait;
use awp_testbed::control_plane::Request;
use awp_testbed::operator::{self, Operator, Options};
use awp_testbed::rabbitmq::User;
use awp_testbed::{ControlPlane, Kwok, RabbitMq};
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};

use crate::pool::{Pool, pool};

/// Longer than anything here can take on any machine that is not stuck.
pub const PATIENCE: Duration = Duration::from_secs(90);

pub const PASSWORD: &str = "reader-password-4711";

pub struct Stage<'a> {
    pub cluster: &'a ControlPlane,
    pub broker: &'a RabbitMq,
    pub operator: Operator,
    pub namespace: String,
    pub vhost: String,
}

/// Shared, with nodes on which pods are ready at once.
pub async fn cluster() -> &'static ControlPlane {
    static KWOK: OnceCell<Kwok> = OnceCell::const_new();
    let cluster = awp_testbed::control_plane().await;
    KWOK.get_or_init(async || Kwok::start(cluster).await.unwrap()).await;
    cluster
}

fn options(namespace: &str) -> Options {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/awp");
    Options::new(env!("CARGO_BIN_EXE_awp"), chart, namespace)
}

impl Stage<'static> {
    pub async fn start(name: &str) -> Self {
        Self::with(name, |options| options).await
    }

    /// With an operator that is started in another way.
    pub async fn with(name: &str, change: impl FnOnce(Options) -> Options) -> Self {
        Self::made(cluster().await, awp_testbed::rabbitmq().await, name, change).await
    }
}

impl<'a> Stage<'a> {
    /// On servers of the test's own, which it may stop.
    pub async fn on(cluster: &'a ControlPlane, broker: &'a RabbitMq, name: &str) -> Self {
        Self::made(cluster, broker, name, |options| options).await
    }

    async fn made(
        cluster: &'a ControlPlane,
        broker: &'a RabbitMq,
        name: &str,
        change: impl FnOnce(Options) -> Options,
    ) -> Self {
        // Two at once would both create the one definition of pools.
        static INSTALLING: Mutex<()> = Mutex::const_new(());
        let namespace = cluster.namespace(name).await.unwrap();
        let vhost = broker.vhost(name).await.unwrap();
        broker.add_user(User::monitoring(&vhost, PASSWORD), &vhost).await.unwrap();
        let options = change(options(&namespace));
        {
            let _alone = INSTALLING.lock().await;
            operator::install_chart(cluster, &options).await.unwrap();
        }
        let kubeconfig = cluster.kubeconfig_for(&namespace, "awp").await.unwrap();
        let operator = Operator::start_with(&kubeconfig, &options).await.unwrap();
        let stage = Self { cluster, broker, operator, namespace, vhost };
        stage.secret("broker", PASSWORD).await;
        stage
    }

    pub fn pool(&self, name: &str) -> Pool {
        pool(self, name)
    }

    pub async fn apply(&self, pool: &Pool) {
        self.cluster.apply(&pool.0.to_string()).await.unwrap();
    }

    /// The broker's login as a Secret.
    pub async fn secret(&self, name: &str, password: &str) {
        self.manifest(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name, "namespace": self.namespace },
            "stringData": { "username": self.vhost, "password": password },
        }))
        .await;
    }

    pub async fn manifest(&self, manifest: &Value) {
        self.cluster.apply(&manifest.to_string()).await.unwrap();
    }

    /// `kubectl -n NAMESPACE …`, which must succeed.
    pub async fn kubectl(&self, args: &[&str]) -> String {
        self.cluster.kubectl_output(&[&["-n", &self.namespace], args].concat()).await.unwrap()
    }

    /// A Deployment that is not the operator's, as its owner would write it.
    pub async fn foreign_deployment(&self, name: &str, replicas: u32) {
        self.manifest(&json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": name, "namespace": self.namespace },
            "spec": {
                "replicas": replicas,
                "selector": { "matchLabels": { "app": name } },
                "template": {
                    "metadata": { "labels": { "app": name } },
                    "spec": {
                        "terminationGracePeriodSeconds": 1,
                        "containers": [{ "name": "agent", "image": "example/agent:1",
                            "resources": { "limits": { "memory": "1Gi" } } }],
                    },
                },
            },
        }))
        .await;
    }

    pub async fn queue(&self, name: &str) {
        self.broker.declare_quorum(&self.vhost, name).await.unwrap();
    }

    pub async fn publish(&self, queue: &str, count: usize) {
        let tasks = (0..count).map(|number| format!("task {number}").into_bytes());
        self.broker.publish(&self.vhost, queue, tasks).await.unwrap();
    }

    /// A queue with tasks in it.
    pub async fn queued(&self, queue: &str, count: usize) {
        self.queue(queue).await;
        self.publish(queue, count).await;
    }

    pub async fn purge(&self, queue: &str) {
        self.broker.purge(&self.vhost, queue).await.unwrap();
    }

    /// What the operator wrote to the API server since then; its lease aside, there is none yet.
    pub fn writes(&self, since: SystemTime) -> Vec<Request> {
        let user = format!("system:serviceaccount:{}:awp", self.namespace);
        self.cluster.writes_by(&user, since).unwrap()
    }

    /// What the operator said it did, for the message of a failed assertion.
    pub fn story(&self) -> String {
        let log = self.operator.log();
        let told = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let told = told.filter(|line| line["level"] != "DEBUG");
        told.map(|line| format!("{line}\n")).collect()
    }

    /// Waits for `probe` to answer. In vain: fails with what the operator and the pools say.
    pub async fn until<T>(&self, what: &str, probe: impl AsyncFnMut() -> Option<T>) -> T {
        self.within(PATIENCE, what, probe).await
    }

    pub async fn within<T>(&self, limit: Duration, what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
        match wait::until(what, limit, async || Ok(probe().await)).await {
            Ok(found) => found,
            Err(error) => {
                let seen = self.cluster.kubectl_output(&["-n", &self.namespace, "get", "awp,deploy,pods,events"]).await;
                let pools = self.cluster.kubectl_output(&["-n", &self.namespace, "get", "awp", "-o", "yaml"]).await;
                let log = self.operator.log();
                let tail: Vec<&str> = log.lines().rev().take(25).collect::<Vec<_>>().into_iter().rev().collect();
                panic!("{error:#}\n{}\n{}\n{}", seen.unwrap_or_default(), pools.unwrap_or_default(), tail.join("\n"));
            }
        }
    }

    /// Fails if `holds` is not true throughout.
    pub async fn throughout(&self, time: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let end = tokio::time::Instant::now() + time;
        while tokio::time::Instant::now() < end {
            let holding = holds().await;
            assert!(holding, "{what}\n{}\n{}", self.kubectl(&["get", "awp,deploy,pods,events"]).await, self.story());
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}
