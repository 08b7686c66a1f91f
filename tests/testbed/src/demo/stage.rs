//! What the demo plays on: a broker, a node, the operator, a pool.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::broker::Broker;
use super::place::Place;
use super::view::View;
use crate::base::scratch::Scratch;
use crate::base::wait;
use crate::control_plane::Access;
use crate::operator::{Operator, Options};
use crate::process_node::{self, ProcessNode};

pub const POOL: &str = "research";

/// The chart as it lies in this checkout.
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/awp");

/// Keeps other pods off the node in a cluster that has some.
const TAINT: &str = "agentworkers.io/demo";

#[derive(Debug)]
pub struct Stage<'a> {
    place: &'a Place,
    pub broker: &'a dyn Broker,
    node: ProcessNode,
    pub operator: Operator,
    awp: PathBuf,
    _scratch: Scratch,
}

impl<'a> Stage<'a> {
    /// Everything but the pool.
    pub async fn set(place: &'a Place, broker: &'a dyn Broker, awp: &Path, view: &mut View) -> Result<Self> {
        let scratch = Scratch::new("demo")?;
        view.step("starting a node that runs pods as processes, and the operator with the chart's permissions");
        let mut options = process_node::Options::new(place.node(), scratch.folder("node")?)
            .image("awp:dev", [awp.display().to_string()]);
        if place.is_guest() {
            options.taints.insert(TAINT.to_owned(), place.node().to_owned());
        }
        let node = ProcessNode::start(place.access().kubeconfig(), options).await?;
        place.access().kubectl_output(&["create", "namespace", place.namespace()]).await?;
        place.access().wait_for_service_account(place.namespace()).await?;
        let options = Options { crd: place.installs_crd(), ..Options::new(awp, CHART, place.namespace()) };
        let operator = Operator::start(place.access(), &options).await?;
        Ok(Self { place, broker, node, operator, awp: awp.into(), _scratch: scratch })
    }

    pub fn access(&self) -> &Access {
        self.place.access()
    }

    pub fn namespace(&self) -> &str {
        self.place.namespace()
    }

    /// The demo's pool, with the addresses of what runs here.
    pub fn pool(&self) -> Result<Value> {
        let mut pool = self.broker.pool()?;
        pool["metadata"]["namespace"] = json!(self.namespace());
        if self.place.is_guest() {
            let pod = &mut pool["spec"]["worker"]["template"]["spec"];
            pod["nodeSelector"] = json!({"kubernetes.io/hostname": self.place.node()});
            pod["tolerations"] = json!([{"key": TAINT, "operator": "Exists"}]);
        }
        Ok(pool)
    }

    /// Applies queue, Secret and pool, and waits until the operator reads the queue.
    pub async fn apply(&self, pool: &Value) -> Result<()> {
        self.publish_tasks(&["--declare"], "").await?;
        let mut secret = self.broker.secret();
        secret["metadata"]["namespace"] = json!(self.namespace());
        self.access().apply(&secret.to_string()).await?;
        self.access().apply(&pool.to_string()).await?;
        wait::until("the operator reads the pool's queue", Duration::from_secs(60), async || {
            let known = self.kubectl(&["get", "awp", POOL, "-o", "jsonpath={.status.backlog.trust}"]).await?;
            Ok((known == "Known").then_some(()))
        })
        .await
        .with_context(|| self.log_tail())
    }

    /// Publishes one task for `awp worker --simulate` per duration, in this order; answers their ids, all confirmed.
    pub async fn publish(&self, seconds: impl IntoIterator<Item = f64>) -> Result<Vec<String>> {
        let lines: Vec<String> =
            seconds.into_iter().map(|seconds| json!({"durationSeconds": seconds}).to_string()).collect();
        self.publish_tasks(&["--file", "-"], &lines.join("\n")).await
    }

    async fn publish_tasks(&self, args: &[&str], input: &str) -> Result<Vec<String>> {
        use tokio::io::AsyncWriteExt;
        let mut command = tokio::process::Command::new(&self.awp);
        command.arg("publish").args(self.broker.publish_arguments()).args(args).kill_on_drop(true);
        let piped = std::process::Stdio::piped;
        let mut child =
            command.stdin(piped()).stdout(piped()).stderr(piped()).spawn().context("cannot start awp publish")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await?;
        }
        let published = child.wait_with_output().await?;
        ensure!(published.status.success(), "awp publish failed: {}", String::from_utf8_lossy(&published.stderr));
        Ok(String::from_utf8(published.stdout)?.lines().map(str::to_owned).collect())
    }

    pub async fn kubectl(&self, args: &[&str]) -> Result<String> {
        let args: Vec<&str> = ["-n", self.namespace()].into_iter().chain(args.iter().copied()).collect();
        self.access().kubectl_output(&args).await
    }

    /// What the worker in a pod wrote.
    pub fn worker_log(&self, pod: &str) -> String {
        self.node.log(self.namespace(), pod, "agent")
    }

    pub fn log_tail(&self) -> String {
        let log = self.operator.log();
        let lines: Vec<&str> = log.lines().collect();
        format!("the operator's log ends:\n{}", lines[lines.len().saturating_sub(15)..].join("\n"))
    }

    pub fn explain_how_to_use_it(&self) {
        eprintln!("\nEverything keeps running; Ctrl-C ends it. In another terminal:\n");
        if !self.place.is_guest() {
            eprintln!("  export KUBECONFIG={}", self.access().kubeconfig().display());
            eprintln!("  alias kubectl={}", self.access().kubectl_program().display());
        }
        eprintln!("  kubectl -n {} get awp {POOL} --watch", self.namespace());
        let (awp, operator) = (self.awp.display(), self.operator.admin_url());
        eprintln!("  {awp} explain {POOL} -n {} --operator {operator}", self.namespace());
        eprintln!(
            "  {} publish {} --durations 5,20 --count 40",
            self.awp.display(),
            self.broker.publish_arguments().join(" ")
        );
        eprintln!("  {}", self.broker.hint());
    }

    /// Ends everything in order. What is only dropped ends as well, without words.
    pub async fn strike(self) {
        // The node's pods first, so that no worker outlives its broker.
        self.node.stop().await;
        if let Err(error) = self.operator.stop().await {
            eprintln!("the operator did not end by itself: {error:#}");
        }
    }
}
