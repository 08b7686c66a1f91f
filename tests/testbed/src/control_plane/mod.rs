//! A real Kubernetes control plane on loopback: etcd, API server, controller-manager, scheduler.

mod access;
mod audit;
mod credentials;
mod servers;

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::{Mutex, OnceCell};

pub use access::{Access, Tools};
pub use audit::Request;
use credentials::Credentials;
use servers::Ports;

use crate::base::cache::Cache;
use crate::base::install_crypto_provider;
use crate::base::scratch::Scratch;
use crate::base::server::Server;
use crate::install::control_plane::Programs;

/// One control plane. Everything of it ends with its owner.
#[derive(Debug)]
pub struct ControlPlane {
    programs: Programs,
    ports: Ports,
    credentials: Credentials,
    access: Access,
    namespaces: AtomicU32,
    api_server: Mutex<Option<Server>>,
    etcd: Server,
    controller_manager: Server,
    scheduler: Server,
    scratch: Scratch,
}

/// What any cluster has: clients, kubectl, helm.
impl Deref for ControlPlane {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.access
    }
}

static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();

/// The control plane that all tests of this process share, started by the first who asks. Tests get apart by
/// namespaces.
///
/// # Panics
/// When it cannot be started, with the reason.
pub async fn control_plane() -> &'static ControlPlane {
    let started = SHARED.get_or_try_init(ControlPlane::start).await;
    started.unwrap_or_else(|error| panic!("the control plane does not start: {error:#}"))
}

impl ControlPlane {
    /// A control plane of one's own: about six seconds.
    pub async fn start() -> Result<Self> {
        install_crypto_provider();
        let programs = crate::install::control_plane::find(&Cache::of_user()?)?;
        let scratch = Scratch::new("control-plane")?;
        let ports = Ports::choose()?;
        let credentials = Credentials::create(scratch.folder("credentials")?, ports.api_server)?;
        servers::write_audit_policy(&scratch)?;

        // All at once: each waits by itself for what it needs.
        let etcd = Server::start(&servers::etcd(&programs, &ports, &scratch), &scratch)?;
        let mut api_server = Server::start(&servers::api_server(&programs, &ports, &credentials, &scratch), &scratch)?;
        let kubeconfig = credentials.admin()?;
        let tools = Tools { kubectl: programs.path("kubectl"), helm: programs.path("helm") };
        let access = Access::by(&kubeconfig, tools, scratch.folder("tools")?).await?;
        servers::healthy(&mut api_server, ports.api_server, "readyz").await?;
        let controller_manager = servers::controller_manager(&programs, &ports, &credentials)?;
        let mut controller_manager = Server::start(&controller_manager, &scratch)?;
        let mut scheduler = Server::start(&servers::scheduler(&programs, &ports, &credentials)?, &scratch)?;
        futures::try_join!(
            servers::healthy(&mut controller_manager, ports.controller_manager, "healthz"),
            servers::healthy(&mut scheduler, ports.scheduler, "healthz"),
        )?;

        let control_plane = Self {
            programs,
            ports,
            credentials,
            access,
            namespaces: AtomicU32::new(0),
            api_server: Mutex::new(Some(api_server)),
            etcd,
            controller_manager,
            scheduler,
            scratch,
        };
        control_plane.wait_for_service_account("default").await?;
        Ok(control_plane)
    }

    /// A kubeconfig of any user by certificate, such as `system:node:n` of the group `system:nodes`.
    pub fn kubeconfig_for_user(&self, user: &str, group: Option<&str>) -> Result<PathBuf> {
        self.credentials.of_user(user, group)
    }

    /// A new namespace with a unique name, in which pods can be created at once.
    pub async fn namespace(&self, prefix: &str) -> Result<String> {
        let name = format!("{prefix}-{}", self.namespaces.fetch_add(1, Ordering::Relaxed));
        let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        Api::<Namespace>::all(self.admin()).create(&PostParams::default(), &namespace).await?;
        self.wait_for_service_account(&name).await?;
        Ok(name)
    }

    /// The folder of kubectl and helm.
    pub fn tools(&self) -> PathBuf {
        self.programs.folder()
    }

    /// The path of a program built with the control plane.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.path(name)
    }

    pub async fn stop_api_server(&self) -> Result<()> {
        self.api_server.lock().await.take().context("the API server does not run")?.stop().await
    }

    /// Starts the stopped API server on its port; the objects are in etcd.
    pub async fn start_api_server(&self) -> Result<()> {
        let mut running = self.api_server.lock().await;
        anyhow::ensure!(running.is_none(), "the API server runs already");
        let spec = servers::api_server(&self.programs, &self.ports, &self.credentials, &self.scratch);
        let mut server = Server::start(&spec, &self.scratch)?;
        servers::healthy(&mut server, self.ports.api_server, "readyz").await?;
        *running = Some(server);
        Ok(())
    }

    pub async fn restart_api_server(&self) -> Result<()> {
        self.stop_api_server().await?;
        self.start_api_server().await
    }

    /// What users whose name starts with `user` wrote since then, from the API server's audit log: a ServiceAccount's
    /// name is `system:serviceaccount:NAMESPACE:NAME`.
    pub fn writes_by(&self, user: &str, since: SystemTime) -> Result<Vec<Request>> {
        Ok(self.requests_by(user, since)?.into_iter().filter(Request::is_write).collect())
    }

    /// The same with what they read.
    pub fn requests_by(&self, user: &str, since: SystemTime) -> Result<Vec<Request>> {
        audit::requests(&servers::audit_log(&self.scratch), user, since)
    }

    pub fn api_server_port(&self) -> u16 {
        self.ports.api_server
    }

    /// The logs of the servers, one file each.
    pub fn logs(&self) -> PathBuf {
        self.scratch.path().join("logs")
    }

    /// Ends it and waits until nothing of it is left. Dropping it does the same without waiting.
    pub async fn shut_down(self) -> Result<()> {
        let Self { api_server, etcd, controller_manager, scheduler, scratch, .. } = self;
        drop((api_server, etcd, controller_manager, scheduler));
        scratch.finish().await
    }
}
