//! The cluster that the demo plays in: one of its own, or the user's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::base::cache::Cache;
use crate::base::scratch::Scratch;
use crate::base::wait;
use crate::control_plane::{Access, ControlPlane, Tools};
use crate::install::control_plane::built;

#[derive(Debug)]
pub enum Place {
    Own(Box<ControlPlane>),
    Guest(Box<Guest>),
}

/// In a cluster that is somebody's: everything here has a name of its own and is taken away again.
#[derive(Debug)]
pub struct Guest {
    access: Access,
    /// Of the namespace and of the node.
    name: String,
    /// The CRD was not there before.
    brings_crd: bool,
    _scratch: Scratch,
}

const CRD: &str = "agentworkerpools.agentworkers.io";

/// In a cluster of its own there is nobody to avoid.
const NAMESPACE: &str = "agents";
const NODE: &str = "demo";

impl Place {
    /// A guest where `KUBECONFIG` is set.
    pub async fn choose(kubeconfig: Option<std::ffi::OsString>) -> Result<Self> {
        if kubeconfig.is_some_and(|path| !path.is_empty()) {
            return Ok(Self::Guest(Box::new(Guest::arrive().await?)));
        }
        Ok(Self::Own(Box::new(ControlPlane::start().await?)))
    }

    pub fn access(&self) -> &Access {
        match self {
            Self::Own(control_plane) => control_plane,
            Self::Guest(guest) => &guest.access,
        }
    }

    pub fn namespace(&self) -> &str {
        match self {
            Self::Own(_) => NAMESPACE,
            Self::Guest(guest) => &guest.name,
        }
    }

    pub fn node(&self) -> &str {
        match self {
            Self::Own(_) => NODE,
            Self::Guest(guest) => &guest.name,
        }
    }

    pub fn is_guest(&self) -> bool {
        matches!(self, Self::Guest(_))
    }

    /// Whether the CRD is ours to install: one that is there already belongs to others as well.
    pub fn installs_crd(&self) -> bool {
        match self {
            Self::Own(_) => true,
            Self::Guest(guest) => guest.brings_crd,
        }
    }

    /// Takes away everything, and waits for it.
    pub async fn leave(self) -> Result<()> {
        match self {
            Self::Own(control_plane) => control_plane.shut_down().await,
            Self::Guest(guest) => guest.leave().await,
        }
    }
}

impl Guest {
    async fn arrive() -> Result<Self> {
        let tools = Tools { kubectl: tool("kubectl")?, helm: tool("helm")? };
        let scratch = Scratch::new("demo-guest")?;
        let kubeconfig = flat_kubeconfig(&tools.kubectl, scratch.path()).await?;
        let access = Access::by(&kubeconfig, tools, scratch.folder("tools")?).await?;
        let reached = access.kubectl_output(&["version", "--output", "json", "--request-timeout", "10s"]).await;
        reached
            .context("the cluster of your KUBECONFIG does not answer; without it (KUBECONFIG=) one is started here")?;
        let found = access.kubectl_output(&["get", "crd", CRD, "--ignore-not-found", "--output", "name"]).await?;
        let name = format!("agents-demo-{}", super::random_hex(2)?);
        Ok(Self { access, name, brings_crd: found.trim().is_empty(), _scratch: scratch })
    }

    async fn leave(self) -> Result<()> {
        let kubectl = async |args: &[&str]| self.access.kubectl_output(args).await;
        let quick = ["--ignore-not-found", "--wait=false"];
        // Without their node pods are nobody's to stop, and their grace period may be an hour.
        kubectl(&[&["delete", "node", &self.name], &quick[..]].concat()).await?;
        kubectl(&[&["delete", "namespace", &self.name], &quick[..]].concat()).await?;
        let gone = wait::until("the demo's namespace is gone", Duration::from_secs(90), async || {
            let force = ["--all", "--force", "--grace-period=0", "--wait=false"];
            // Until the namespace's controller has seen its end, the Deployment's may still make pods.
            let _ = kubectl(&[&["-n", &self.name, "delete", "pods"], &force[..]].concat()).await;
            let left = kubectl(&["get", "namespace", &self.name, "--ignore-not-found", "--output", "name"]).await?;
            Ok(left.trim().is_empty().then_some(()))
        })
        .await;
        if self.brings_crd {
            kubectl(&[&["delete", "crd", CRD], &quick[..]].concat()).await?;
        }
        gone
    }
}

/// The current context alone, with what other files hold: `KUBECONFIG` may be a list, and paths in it relative.
async fn flat_kubeconfig(kubectl: &Path, folder: &Path) -> Result<PathBuf> {
    let view = ["config", "view", "--raw", "--minify", "--flatten"];
    let mut command = tokio::process::Command::new(kubectl);
    let answer = command.args(view).kill_on_drop(true).output().await.context("cannot start kubectl")?;
    if !answer.status.success() {
        bail!("your KUBECONFIG cannot be read: {}", String::from_utf8_lossy(&answer.stderr).trim());
    }
    let file = tempfile::NamedTempFile::new_in(folder)?;
    std::fs::write(file.path(), answer.stdout)?;
    let path = folder.join("kubeconfig");
    file.persist(&path)?;
    Ok(path)
}

/// The user's, else one that was built here before.
fn tool(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file());
    found.or_else(|| built(&Cache::of_user().ok()?, name)).with_context(|| {
        format!("{name} is neither in PATH nor built here: install it, or unset KUBECONFIG to have it built")
    })
}
