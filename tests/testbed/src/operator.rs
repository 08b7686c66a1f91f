//! The operator as the chart would run it: its ServiceAccount, its Roles, nothing more. A missing permission fails
//! whatever uses this.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::sync::Mutex;

use crate::base::ports;
use crate::base::scratch::Scratch;
use crate::base::server::{Server, Spec};
use crate::base::wait;
use crate::control_plane::Access;

/// What to run, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// The `awp` binary.
    pub binary: PathBuf,
    /// The chart's folder.
    pub chart: PathBuf,
    /// The namespace of the release, the only one that is watched.
    pub namespace: String,
    /// In the syntax of `RUST_LOG`.
    pub log: String,
    /// Whether the chart's CRD is applied; not where a cluster has one that is others' as well.
    pub crd: bool,
    /// `IP:PORT` of its admin server; `None` = loopback, at a free port.
    pub admin: Option<SocketAddr>,
    /// More arguments of `awp run`.
    pub args: Vec<String>,
    /// More of its environment.
    pub env: BTreeMap<String, String>,
}

impl Options {
    pub fn new(binary: impl Into<PathBuf>, chart: impl Into<PathBuf>, namespace: &str) -> Self {
        Self {
            binary: binary.into(),
            chart: chart.into(),
            namespace: namespace.into(),
            log: "info,awp=debug".into(),
            crd: true,
            admin: None,
            args: Vec::new(),
            env: BTreeMap::new(),
        }
    }
}

/// A running operator; it ends with its owner.
#[derive(Debug)]
pub struct Operator {
    spec: Spec,
    admin: SocketAddr,
    server: Mutex<Server>,
    log: PathBuf,
    scratch: Scratch,
}

/// The release's name, and so the ServiceAccount's.
const RELEASE: &str = "awp";

impl Operator {
    /// Applies CRD, ServiceAccount and Roles of the chart and starts `awp run` with that identity; returns when it is ready.
    pub async fn start(cluster: &Access, options: &Options) -> Result<Self> {
        install_chart(cluster, options).await?;
        let kubeconfig = cluster.kubeconfig_for(&options.namespace, RELEASE).await?;
        Self::start_with(&kubeconfig, options).await
    }

    /// Starts `awp run` with any kubeconfig.
    pub async fn start_with(kubeconfig: &Path, options: &Options) -> Result<Self> {
        let scratch = Scratch::new("operator")?;
        let admin = options.admin.map_or_else(|| ports::free().map(|port| (Ipv4Addr::LOCALHOST, port).into()), Ok)?;
        let spec = Spec::new("operator", &options.binary)
            .args(["run", "--log-filter", &options.log, "--log-format", "json"])
            .args(["--namespace", &options.namespace, "--admin", &admin.to_string()])
            .args(&options.args)
            .envs(&options.env)
            .envs([("KUBECONFIG", kubeconfig)]);
        let mut server = Server::start(&spec, &scratch)?;
        ready(&mut server, admin).await?;
        Ok(Self { spec, admin, log: server.log().to_owned(), server: Mutex::new(server), scratch })
    }

    pub async fn pid(&self) -> Result<u32> {
        self.server.lock().await.pid()
    }

    /// Ends it as a crash would.
    pub async fn kill(&self) -> Result<()> {
        self.server.lock().await.kill().await
    }

    pub async fn stop(&self) -> Result<()> {
        self.server.lock().await.stop().await
    }

    /// Starts it anew with the same identity, without waiting for anything it does.
    pub async fn start_again(&self) -> Result<()> {
        let mut server = Server::start(&self.spec, &self.scratch)?;
        ready(&mut server, self.admin).await?;
        *self.server.lock().await = server;
        Ok(())
    }

    /// Its log so far, JSON lines, all lives.
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    /// Where it answers people and scrapers.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// What `/metrics`, `/readyz` or `/livez` answers.
    pub async fn admin(&self, path: &str) -> Result<String> {
        let answer = reqwest::get(format!("{}{path}", self.admin_url())).await?;
        Ok(answer.text().await?)
    }
}

async fn ready(server: &mut Server, admin: SocketAddr) -> Result<()> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).build()?;
    let url = format!("http://{admin}/readyz");
    server
        .ready_when(Duration::from_secs(60), async || {
            let answer = client.get(&url).send().await?;
            let status = answer.status();
            ensure!(status.is_success(), "{}", answer.text().await?);
            Ok(())
        })
        .await
}

/// The chart without its Deployment, whose image no machine without a container engine can run.
pub async fn install_chart(cluster: &Access, options: &Options) -> Result<()> {
    let namespace = &options.namespace;
    let mut helm = cluster.helm();
    // A helm that was not built by its own Makefile believes in Kubernetes 1.20.
    let version = cluster.admin().apiserver_version().await?.git_version;
    helm.args(["template", RELEASE]).arg(&options.chart).args(["--namespace", namespace, "--kube-version", &version]);
    for part in ["serviceaccount", "rbac"].into_iter().chain(options.crd.then_some("crd-agentworkerpools")) {
        helm.args(["--show-only", &format!("templates/{part}.yaml")]);
    }
    let rendered = helm.output().await.context("cannot start helm")?;
    ensure!(rendered.status.success(), "helm template failed: {}", String::from_utf8_lossy(&rendered.stderr));
    cluster.apply(&String::from_utf8(rendered.stdout)?).await?;
    pools_are_served(cluster).await
}

/// Waits until a definition just applied is served. (`kubectl wait --for=condition=Established` fails where the
/// definition has no conditions yet.)
pub async fn pools_are_served(cluster: &Access) -> Result<()> {
    wait::until("the API server serves pools", Duration::from_secs(30), async || {
        Ok(cluster.kubectl_output(&["get", "agentworkerpools", "--all-namespaces"]).await.ok().map(drop))
    })
    .await
}
