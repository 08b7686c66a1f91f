//! Prepares a container: image, variables, mounts, working folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, Pod, Probe};
use kube::ResourceExt;

use super::argv::search_path;
use super::context::{Context, api};
use super::env::{self, Variables};
use super::expand::expand;
use super::fields::Facts;
use super::folder;
use super::mounted::Mounted;
use super::mounts::Mounts;
use super::objects::{Blocked, Found};
use super::recipe::Recipe;

/// Where Kubernetes puts the ServiceAccount's token, and where clients look for it by this fixed path.
const ACCOUNT_MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A container that can be started.
pub struct Prepared {
    pub recipe: Recipe,
    pub command: Vec<String>,
    pub args: Vec<String>,
}

/// The parts of a pod that outlive its containers.
pub struct Place<'a> {
    pub context: &'a Context,
    pub pod: &'a Pod,
    pub facts: &'a Facts,
    pub folder: &'a Path,
    pub mounted: &'a Mounted,
}

impl Place<'_> {
    /// What the container is made of; an image this node does not have never comes, all else may.
    pub async fn prepare(&self, container: &Container) -> Result<Prepared, Blocked> {
        let image = container.image.as_deref().unwrap_or_default();
        let Some(entrypoint) = self.context.images.entrypoint(image) else {
            let message = format!("Container image {image:?} is not present with pull policy of Never");
            return Err(Blocked { reason: "ErrImageNeverPull", message });
        };
        if probes(container).any(|probe| probe.grpc.is_some()) {
            return Err(Blocked::config("the process node has no gRPC probes: use httpGet, tcpSocket or exec".into()));
        }
        let references: BTreeSet<_> = env::references(container).into_iter().collect();
        let namespace = self.pod.namespace().unwrap_or_default();
        let found = api(self.context.objects.find(&namespace, references)).await.map_err(Blocked::config)?;
        let mounts = self.mounts(container, &found)?;
        let service = self.service_variables();
        let own = env::variables(self.pod, container, self.facts, &found, &mounts, &service)?;
        let mut env = self.machine_variables(entrypoint);
        if let Some(kubeconfig) = self.kubeconfig(&mounts).map_err(|error| Blocked::config(error.to_string()))? {
            env.insert("KUBECONFIG".to_owned(), kubeconfig.display().to_string());
        }
        let expanded = |words: &Option<Vec<String>>| words.iter().flatten().map(|word| expand(word, &own)).collect();
        let (command, args) = (expanded(&container.command), expanded(&container.args));
        env.extend(own);
        let dir = self.working_dir(container, &mounts);
        Ok(Prepared { recipe: Recipe { entrypoint: entrypoint.to_vec(), env, dir, mounts }, command, args })
    }

    fn mounts(&self, container: &Container, found: &Found) -> Result<Mounts, Blocked> {
        let mut mounts = Vec::new();
        for mount in container.volume_mounts.iter().flatten() {
            let mut path = self.mounted.volume(&mount.name);
            if let Some(below) = mount.sub_path.as_deref().filter(|below| !below.is_empty()) {
                path.push(below);
            } else if let Some(expression) = &mount.sub_path_expr {
                let plain = Mounts::default();
                let service = self.service_variables();
                let env = env::variables(self.pod, container, self.facts, found, &plain, &service)?;
                path.push(expand(expression, &env));
            }
            // A new folder in a volume that the containers fill; the node's own files are there already.
            if !path.exists() {
                folder::private_folder(&path).map_err(|error| {
                    Blocked::config(format!("cannot make {} for mount {}: {error}", path.display(), mount.mount_path))
                })?;
            }
            mounts.push((mount.mount_path.clone(), path));
        }
        Ok(Mounts::new(mounts))
    }

    /// The API server's real address: a cluster IP would need a proxy.
    fn service_variables(&self) -> Variables {
        let address = self.context.server.split("://").nth(1).unwrap_or_default().trim_end_matches('/');
        let (host, port) = address.rsplit_once(':').unwrap_or((address, "443"));
        [("KUBERNETES_SERVICE_HOST", host), ("KUBERNETES_SERVICE_PORT", port)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    /// What an image and a container runtime would give: a search path, a home, a host name.
    fn machine_variables(&self, entrypoint: &[String]) -> Variables {
        let mut env = self.context.machine.clone();
        let machine_path = env.get("PATH").cloned().unwrap_or_default();
        env.insert("PATH".to_owned(), search_path(entrypoint, &machine_path));
        env.insert("HOME".to_owned(), self.home().display().to_string());
        env.insert("TMPDIR".to_owned(), self.temporary().display().to_string());
        env.insert("HOSTNAME".to_owned(), self.pod.name_any());
        env
    }

    pub fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    pub fn temporary(&self) -> PathBuf {
        self.folder.join("tmp")
    }

    /// A kubeconfig that stands for the mounted ServiceAccount, which clients find by a path that does not exist here.
    fn kubeconfig(&self, mounts: &Mounts) -> std::io::Result<Option<PathBuf>> {
        let Some(account) = mounts.folder(ACCOUNT_MOUNT) else { return Ok(None) };
        let path = self.folder.join("kubeconfig");
        let file = |name: &str| account.join(name).display().to_string();
        let config = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "pod",
            "contexts": [{"name": "pod", "context":
                {"cluster": "here", "user": "pod", "namespace": self.pod.namespace().unwrap_or_default()}}],
            "clusters": [{"name": "here", "cluster":
                {"server": self.context.server, "certificate-authority": file("ca.crt")}}],
            "users": [{"name": "pod", "user": {"tokenFile": file("token")}}],
        });
        if !path.exists() {
            folder::private_file(&path, config.to_string().as_bytes(), 0o600)?;
        }
        Ok(Some(path))
    }

    /// The container's working folder if it exists here (or is a mount), else the pod's home.
    fn working_dir(&self, container: &Container, mounts: &Mounts) -> PathBuf {
        let wanted = container.working_dir.as_deref().map(|dir| PathBuf::from(mounts.rewrite(dir)));
        wanted.filter(|dir| dir.is_absolute() && dir.is_dir()).unwrap_or_else(|| self.home())
    }
}

fn probes(container: &Container) -> impl Iterator<Item = &Probe> {
    [&container.startup_probe, &container.readiness_probe, &container.liveness_probe].into_iter().flatten()
}
