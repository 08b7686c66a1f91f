//! The command lines of the four servers.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::credentials::Credentials;
use crate::base::scratch::Scratch;
use crate::base::server::{Server, Spec};
use crate::base::{http, ports};
use crate::install::control_plane::Programs;

#[derive(Debug)]
pub struct Ports {
    pub api_server: u16,
    pub controller_manager: u16,
    pub scheduler: u16,
    etcd: u16,
    etcd_peer: u16,
}

impl Ports {
    pub fn choose() -> Result<Self> {
        Ok(Self {
            api_server: ports::free()?,
            controller_manager: ports::free()?,
            scheduler: ports::free()?,
            etcd: ports::free()?,
            etcd_peer: ports::free()?,
        })
    }
}

pub fn etcd(programs: &Programs, ports: &Ports, scratch: &Scratch) -> Spec {
    let client = format!("http://127.0.0.1:{}", ports.etcd);
    let peer = format!("http://127.0.0.1:{}", ports.etcd_peer);
    Spec::new("etcd", programs.path("etcd")).grace(GRACE).args([
        "--name=t".to_owned(),
        format!("--data-dir={}", scratch.path().join("etcd").display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=t={peer}"),
        // The data need not survive a power failure.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ])
}

pub fn api_server(programs: &Programs, ports: &Ports, credentials: &Credentials, scratch: &Scratch) -> Spec {
    let file = |name: &str| credentials.file(name).display().to_string();
    let flag = |name: &str, value: &str| format!("--{name}={value}");
    Spec::new("kube-apiserver", programs.path("kube-apiserver")).grace(GRACE).args([
        flag("etcd-servers", &format!("http://127.0.0.1:{}", ports.etcd)),
        flag("bind-address", "127.0.0.1"),
        flag("advertise-address", "127.0.0.1"),
        flag("secure-port", &ports.api_server.to_string()),
        flag("tls-cert-file", &file("apiserver.crt")),
        flag("tls-private-key-file", &file("apiserver.key")),
        flag("client-ca-file", &file("ca.crt")),
        flag("authorization-mode", "Node,RBAC"),
        flag("service-account-issuer", "https://kubernetes.default.svc"),
        flag("service-account-key-file", &file("service-accounts.pub")),
        flag("service-account-signing-key-file", &file("service-accounts.key")),
        flag("service-cluster-ip-range", "10.96.0.0/16"),
        // For aggregated APIs such as metrics.k8s.io.
        flag("requestheader-client-ca-file", &file("front-proxy-ca.crt")),
        flag("requestheader-allowed-names", "front-proxy-client"),
        flag("requestheader-username-headers", "X-Remote-User"),
        flag("requestheader-group-headers", "X-Remote-Group"),
        flag("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
        flag("proxy-client-cert-file", &file("front-proxy.crt")),
        flag("proxy-client-key-file", &file("front-proxy.key")),
        flag("audit-policy-file", &scratch.path().join(AUDIT_POLICY).display().to_string()),
        flag("audit-log-path", &audit_log(scratch).display().to_string()),
        // Megabytes; a rotated log would hide writes from the tests that count them.
        flag("audit-log-maxsize", "2000"),
        // There is one API server: no lease of its own to write and to wait for.
        flag("endpoint-reconciler-type", "none"),
        flag("event-ttl", "30m"),
    ])
}

pub fn controller_manager(programs: &Programs, ports: &Ports, credentials: &Credentials) -> Result<Spec> {
    let kubeconfig = credentials.of_user("system:kube-controller-manager", None)?;
    Ok(Spec::new("kube-controller-manager", programs.path("kube-controller-manager")).grace(GRACE).args([
        format!("--kubeconfig={}", kubeconfig.display()),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", ports.controller_manager),
        "--leader-elect=false".to_owned(),
        "--use-service-account-credentials=true".to_owned(),
        format!("--service-account-private-key-file={}", credentials.file("service-accounts.key").display()),
        format!("--root-ca-file={}", credentials.file("ca.crt").display()),
        // The defaults of 20 and 30 make a thousand Deployments five times slower.
        "--kube-api-qps=300".to_owned(),
        "--kube-api-burst=600".to_owned(),
    ]))
}

pub fn scheduler(programs: &Programs, ports: &Ports, credentials: &Credentials) -> Result<Spec> {
    let kubeconfig = credentials.of_user("system:kube-scheduler", None)?;
    Ok(Spec::new("kube-scheduler", programs.path("kube-scheduler")).grace(GRACE).args([
        format!("--kubeconfig={}", kubeconfig.display()),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", ports.scheduler),
        "--leader-elect=false".to_owned(),
        // The defaults of 50 and 100 bind fifty pods a second and starve the rest under churn.
        "--kube-api-qps=300".to_owned(),
        "--kube-api-burst=600".to_owned(),
    ]))
}

/// Waits until the server answers on its own port. Nobody needs to log in for that; the API server's answer to
/// strangers is a refusal until its RBAC rules exist.
pub async fn healthy(server: &mut Server, port: u16, path: &str) -> Result<()> {
    server.ready_when(START_LIMIT, async || http::get_insecure(&format!("https://127.0.0.1:{port}/{path}")).await).await
}

/// Four to six seconds on two idle cores; many test processes start at once.
const START_LIMIT: Duration = Duration::from_secs(120);

/// The API server waits a minute for its clients and for etcd; the data are thrown away anyhow.
const GRACE: Duration = Duration::from_secs(1);

const AUDIT_POLICY: &str = "audit-policy.yaml";

pub fn audit_log(scratch: &Scratch) -> PathBuf {
    scratch.path().join("audit.log")
}

/// One line per write, and per request of a ServiceAccount that is not the system's own; without bodies.
pub fn write_audit_policy(scratch: &Scratch) -> Result<()> {
    let policy = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    verbs: [create, update, patch, delete, deletecollection]
  - level: None
    userGroups: ['system:serviceaccounts:kube-system']
  - level: Metadata
    userGroups: ['system:serviceaccounts']
  - level: None
";
    Ok(std::fs::write(scratch.path().join(AUDIT_POLICY), policy)?)
}
