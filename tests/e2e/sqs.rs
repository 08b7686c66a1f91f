//! The main job on Amazon SQS.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use awp_testbed::base::wait;
use awp_testbed::operator::Options;
use awp_testbed::{Operator, Replicas, Sqs, sqs};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::bench::{AWP, CHART, POOL};
use crate::cluster::Cluster;
use crate::worker_logs::Logs;

/// An empty queue must look so for 75 s.
const LATE: Duration = Duration::from_secs(240);

struct Bench {
    cluster: &'static Cluster,
    sqs: &'static Sqs,
    namespace: String,
    queue: String,
    operator: Operator,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn new(name: &str, suffix: &str) -> Self {
        let (cluster, sqs) = tokio::join!(Cluster::shared(), sqs());
        let namespace = cluster.plane.namespace(name).await.unwrap();
        let operator = Operator::start(&cluster.plane, &Options::new(AWP, CHART, &namespace)).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let keys = [("AWS_ACCESS_KEY_ID", "AKIATEST"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];
        for (key, value) in keys {
            std::fs::write(folder.path().join(key), value).unwrap();
        }
        let queue = sqs.queue_url(&format!("{}{suffix}", sqs.unique(name, "")));
        let bench = Self { cluster, sqs, namespace, queue, operator, folder };
        bench.publish(&["--declare"]).await;
        let keys: serde_json::Map<String, Value> =
            keys.map(|(key, value)| (key.to_owned(), json!(value))).into_iter().collect();
        bench
            .apply(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "aws"}, "stringData": keys}))
            .await;
        bench
    }

    async fn apply(&self, object: &Value) {
        let mut object = object.clone();
        object["metadata"]["namespace"] = json!(self.namespace);
        self.cluster.plane.apply(&object.to_string()).await.unwrap();
    }

    async fn publish(&self, args: &[&str]) -> BTreeSet<String> {
        let mut command = Command::new(AWP);
        command.args(["publish", "--broker", "sqs", "--queue-url", &self.queue, "--region", "eu-central-1"]);
        command.args(["--endpoint", &self.sqs.endpoint(), "--credentials-dir"]).arg(self.folder.path());
        let output = command.args(args).stdin(Stdio::null()).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(Into::into).collect()
    }

    fn pool(&self, status_port: bool) -> Value {
        let mut agent = json!({"name": "agent", "image": "awp:dev", "args": ["worker", "--simulate"]});
        let mut worker = json!({});
        if status_port {
            agent["readinessProbe"] = json!({"httpGet": {"path": "/ready", "port": 9464}, "periodSeconds": 1});
            worker["statusPort"] = json!(9464);
        }
        worker["template"] = json!({"spec": {"containers": [agent]}});
        json!({
            "apiVersion": "agentworkers.io/v1alpha1", "kind": "AgentWorkerPool", "metadata": {"name": POOL},
            "spec": {
                "broker": {"sqs": {
                    "queueUrl": self.queue, "endpoint": self.sqs.endpoint(), "region": "eu-central-1",
                    "credentials": {"secretRef": {"name": "aws"}},
                }},
                "worker": worker,
                "prefetch": {"fixed": 2},
                "scaling": {"maxReplicas": 4, "startWithin": "60s", "taskDuration": "20s", "scaleDownWindow": "3s"},
            },
        })
    }

    async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> anyhow::Result<bool>) {
        let reached = wait::until(what, LATE, async || Ok(holds().await?.then_some(()))).await;
        if let Err(error) = reached {
            let log = self.operator.log();
            let lines: Vec<&str> = log.lines().collect();
            let end = lines[lines.len().saturating_sub(20)..].join("\n");
            panic!("{error:?}\noperator:\n{end}\nworkers:\n{}", self.logs().tail());
        }
    }

    fn logs(&self) -> Logs {
        Logs::read(&self.cluster.logs, &self.namespace)
    }

    async fn until_done_and_asleep(&self, ids: &BTreeSet<String>) {
        self.until("every task is done", async || Ok(ids.is_subset(&self.logs().done().into_keys().collect()))).await;
        let namespace = &self.namespace;
        self.until("no pod is left", async || {
            let pods = self.cluster.plane.kubectl_output(&["-n", namespace, "get", "pods", "-o", "name"]).await?;
            Ok(pods.trim().is_empty())
        })
        .await;
        assert_eq!(self.sqs.counts(&self.queue).await.unwrap().total(), 0);
        let logs = self.logs();
        assert!(logs.done().into_iter().all(|(id, times)| times == 1 && ids.contains(&id)), "each once");
        assert!(logs.disturbed().is_empty(), "{:?}", logs.disturbed());
    }

    fn record(&self) -> Replicas {
        Replicas::follow(self.cluster.plane.admin(), &self.namespace, POOL)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_on_sqs_wakes_the_pool_is_done_once_and_the_pool_sleeps_again() {
    let bench = Bench::new("sqs", "").await;
    let replicas = bench.record();
    bench.apply(&bench.pool(true)).await;
    let ids = bench.publish(&["--durations", "0.5,1,2", "--count", "40", "--seed", "1"]).await;
    bench.until_done_and_asleep(&ids).await;
    let history = replicas.history();
    assert!(history.contains(&4) && history.last() == Some(&0), "{history:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_status_endpoint_workers_on_sqs_drain_by_sigterm_and_no_task_is_lost() {
    let bench = Bench::new("sqs-blind", "").await;
    let replicas = bench.record();
    bench.apply(&bench.pool(false)).await;
    let ids = bench.publish(&["--durations", "1,2,20", "--count", "24", "--seed", "1"]).await;
    bench.until_done_and_asleep(&ids).await;
    assert_eq!(replicas.history().last(), Some(&0));
}

#[tokio::test(flavor = "multi_thread")]
async fn three_message_groups_get_one_worker_however_many_tasks_wait() {
    let bench = Bench::new("sqs-fifo", ".fifo").await;
    bench.sqs.send(&bench.queue, (0..60).map(|_| "{\"durationSeconds\":1}".to_owned()), 3).await.unwrap();
    let replicas = bench.record();
    let mut pool = bench.pool(true);
    pool["spec"]["prefetch"] = json!({"fixed": 4});
    bench.apply(&pool).await;
    bench.until("the queue is empty", async || Ok(bench.sqs.counts(&bench.queue).await?.total() == 0)).await;
    assert!(replicas.history().iter().all(|replicas| *replicas <= 1), "{:?}", replicas.history());
}
