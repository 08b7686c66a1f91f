//! What the demo plays on: servers, a node, the operator, a pool.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::view::View;
use crate::ControlPlane;
use crate::base::scratch::Scratch;
use crate::base::wait;
use crate::operator::{Operator, Options};
use crate::process_node::{self, ProcessNode};
use crate::rabbitmq::{self, RabbitMq, User};

pub const NAMESPACE: &str = "agents";
pub const POOL: &str = "research";
pub const QUEUE: &str = "research_tasks";
const VHOST_PREFIX: &str = "agents";
const USER: &str = "agents";
const POOL_MANIFEST: &str = include_str!("../../../../examples/demo-pool.yaml");

/// The chart as it lies in this checkout.
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/awp");

#[derive(Debug)]
pub struct Stage {
    pub control_plane: ControlPlane,
    pub rabbitmq: RabbitMq,
    pub vhost: String,
    node: ProcessNode,
    operator: Operator,
    awp: std::path::PathBuf,
    login: std::path::PathBuf,
    _scratch: Scratch,
}

impl Stage {
    pub async fn set(awp: &Path, view: &mut View) -> Result<Self> {
        let scratch = Scratch::new("demo")?;
        view.step("starting etcd, kube-apiserver, kube-controller-manager, kube-scheduler and RabbitMQ");
        let (control_plane, rabbitmq) =
            futures::try_join!(ControlPlane::start(), RabbitMq::start(rabbitmq::Options::default()))?;
        let vhost = rabbitmq.vhost(VHOST_PREFIX).await?;
        let password = password()?;
        rabbitmq.add_user(User::monitoring(USER, &password), &vhost).await?;
        let login = login_files(&scratch, &password)?;

        view.step("starting a node that runs pods as processes, and the operator with the chart's permissions");
        let node =
            process_node::Options::new("demo", scratch.folder("node")?).image("awp:dev", [awp.display().to_string()]);
        let node = ProcessNode::start(control_plane.kubeconfig(), node).await?;
        create_namespace(&control_plane).await?;
        let options = Options::new(awp, CHART, NAMESPACE);
        let operator = Operator::start(&control_plane, &options).await?;

        let stage = Self { control_plane, rabbitmq, vhost, node, operator, awp: awp.into(), login, _scratch: scratch };
        view.step("kubectl apply -f examples/demo-pool.yaml");
        stage.apply_pool().await?;
        Ok(stage)
    }

    async fn apply_pool(&self) -> Result<()> {
        let declared = self.publish_command(&["--declare"]).await?;
        ensure!(declared.status.success(), "awp publish --declare failed: {}", text(&declared.stderr));
        let login = self.login.display().to_string();
        let files = ["username", "password"].map(|file| format!("--from-file={login}/{file}"));
        self.kubectl(&["create", "secret", "generic", "rabbitmq", &files[0], &files[1]]).await?;
        let manifest = POOL_MANIFEST
            .replace("amqp://rabbitmq:5672/agents", &self.rabbitmq.amqp_uri(&self.vhost))
            .replace("http://rabbitmq:15672", &self.rabbitmq.management_uri())
            .replace("name: research\n", &format!("name: {POOL}\n  namespace: {NAMESPACE}\n"));
        self.control_plane.apply(&manifest).await?;
        wait::until("the operator reads the pool's queue", Duration::from_secs(60), async || {
            let known = self.kubectl(&["get", "awp", POOL, "-o", "jsonpath={.status.backlog.trust}"]).await?;
            Ok((known == "Known").then_some(()))
        })
        .await
        .with_context(|| self.log_tail())
    }

    /// Publishes tasks for `awp worker --simulate`; answers their ids, all confirmed.
    pub async fn publish(&self, count: usize, durations: &[f64]) -> Result<Vec<String>> {
        let durations: Vec<String> = durations.iter().map(ToString::to_string).collect();
        let (count, durations) = (count.to_string(), durations.join(","));
        let args = ["--durations", &durations, "--count", &count, "--seed", "7", "--output", "json"];
        let published = self.publish_command(&args).await?;
        ensure!(published.status.success(), "awp publish failed: {}", text(&published.stderr));
        let answer: Value = serde_json::from_slice(&published.stdout).context("awp publish -o json")?;
        let ids = answer["ids"].as_array().context("awp publish -o json has no ids")?;
        Ok(ids.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect())
    }

    async fn publish_command(&self, args: &[&str]) -> Result<std::process::Output> {
        let mut command = tokio::process::Command::new(&self.awp);
        command.args(["publish", "--uri", &self.rabbitmq.amqp_uri(&self.vhost), "--queue", QUEUE]);
        command.arg("--credentials-dir").arg(&self.login).args(args).kill_on_drop(true);
        command.output().await.context("cannot start awp publish")
    }

    pub async fn kubectl(&self, args: &[&str]) -> Result<String> {
        let args: Vec<&str> = ["-n", NAMESPACE].into_iter().chain(args.iter().copied()).collect();
        self.control_plane.kubectl_output(&args).await
    }

    /// What the worker in a pod wrote.
    pub fn worker_log(&self, pod: &str) -> String {
        self.node.log(NAMESPACE, pod, "agent")
    }

    pub fn log_tail(&self) -> String {
        let log = self.operator.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    pub fn explain_how_to_use_it(&self) {
        eprintln!("\nEverything keeps running; Ctrl-C ends it. In another terminal:\n");
        eprintln!("  export KUBECONFIG={}", self.control_plane.kubeconfig().display());
        eprintln!("  alias kubectl={}", self.control_plane.program("kubectl").display());
        eprintln!("  kubectl -n {NAMESPACE} get awp {POOL} --watch");
        eprintln!(
            "  {} publish --uri {} --queue {QUEUE} --credentials-dir {} --durations 5,20 --count 40",
            self.awp.display(),
            self.rabbitmq.amqp_uri(&self.vhost),
            self.login.display()
        );
        eprintln!(
            "  RabbitMQ's own page: {} (user {}, password {})",
            self.rabbitmq.management_uri(),
            self.rabbitmq.admin_user(),
            self.rabbitmq.admin_password()
        );
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

async fn create_namespace(control_plane: &ControlPlane) -> Result<()> {
    control_plane.kubectl_output(&["create", "namespace", NAMESPACE]).await?;
    wait::until("the namespace's ServiceAccount appears", Duration::from_secs(30), async || {
        let found = control_plane.kubectl_output(&["-n", NAMESPACE, "get", "serviceaccount", "default"]).await;
        Ok(found.ok().map(drop))
    })
    .await
}

/// Files, because a login belongs on no command line.
fn login_files(scratch: &Scratch, password: &str) -> Result<std::path::PathBuf> {
    let folder = scratch.folder("login")?;
    std::fs::write(folder.join("username"), USER)?;
    std::fs::write(folder.join("password"), password)?;
    Ok(folder)
}

fn password() -> Result<String> {
    let mut bytes = [0; 16];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes)?;
    Ok(format!("{:x}", u128::from_le_bytes(bytes)))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
