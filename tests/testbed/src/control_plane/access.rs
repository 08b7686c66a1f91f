//! A way to an API server with every right: of a control plane of ours, or of a cluster that is somebody's own.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;
use tokio::process::Command;

use crate::base::{install_crypto_provider, wait};

const DAY: i64 = 24 * 3_600;

/// The API server, kubectl and helm.
#[derive(Debug)]
pub struct Access {
    config: kube::Config,
    kubeconfig: PathBuf,
    tools: Tools,
    /// For what the tools keep, and for kubeconfigs of ServiceAccounts.
    folder: PathBuf,
}

/// Where kubectl and helm are.
#[derive(Clone, Debug)]
pub struct Tools {
    pub kubectl: PathBuf,
    pub helm: PathBuf,
}

impl Access {
    /// By a kubeconfig file's current context.
    pub async fn by(kubeconfig: &Path, tools: Tools, folder: PathBuf) -> Result<Self> {
        install_crypto_provider();
        let file = Kubeconfig::read_from(kubeconfig)
            .with_context(|| format!("cannot read the kubeconfig {}", kubeconfig.display()))?;
        let mut config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
            .await
            .with_context(|| format!("the kubeconfig {} cannot be used", kubeconfig.display()))?;
        if config.cluster_url.host() == Some("127.0.0.1") {
            // From the environment, where NO_PROXY is not looked at: the way to loopback leads through no proxy.
            config.proxy_url = None;
        }
        // A client that cannot be made is an error here, and none later.
        kube::Client::try_from(config.clone()).context("the kubeconfig cannot be used")?;
        Ok(Self { config, kubeconfig: kubeconfig.to_owned(), tools, folder })
    }

    /// A client with every right, for the runtime of the caller.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn admin(&self) -> kube::Client {
        let client = kube::Client::try_from(self.config.clone());
        client.unwrap_or_else(|error| panic!("a configuration that served before is refused: {error}"))
    }

    /// The kubeconfig of [`Access::admin`].
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A kubeconfig of the ServiceAccount, with a bound token as a pod would have it, valid for a day.
    pub async fn kubeconfig_for(&self, namespace: &str, service_account: &str) -> Result<PathBuf> {
        let token = self.token(namespace, service_account).await?;
        let file = Kubeconfig::read_from(&self.kubeconfig)?;
        let current = file.contexts.iter().find(|context| Some(&context.name) == file.current_context.as_ref());
        let cluster = current.and_then(|context| context.context.as_ref()).map(|context| context.cluster.clone());
        let cluster = file.clusters.iter().find(|named| Some(&named.name) == cluster.as_ref());
        let text = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": cluster.and_then(|named| named.cluster.as_ref())}],
            "users": [{"name": service_account, "user": {"token": token}}],
            "contexts": [{"name": "here", "context":
                {"cluster": "here", "user": service_account, "namespace": namespace}}],
            "current-context": "here",
        });
        let path = self.folder.join(format!("{namespace}-{service_account}.kubeconfig"));
        write_whole(&path, &serde_json::to_string_pretty(&text)?)?;
        Ok(path)
    }

    /// A client of the ServiceAccount, for the runtime of the caller.
    pub async fn client_for(&self, namespace: &str, service_account: &str) -> Result<kube::Client> {
        let kubeconfig = self.kubeconfig_for(namespace, service_account).await?;
        Ok(Self::by(&kubeconfig, self.tools.clone(), self.folder.clone()).await?.admin())
    }

    async fn token(&self, namespace: &str, service_account: &str) -> Result<String> {
        let request = TokenRequest {
            spec: TokenRequestSpec { expiration_seconds: Some(DAY), ..TokenRequestSpec::default() },
            ..TokenRequest::default()
        };
        let accounts = Api::<ServiceAccount>::namespaced(self.admin(), namespace);
        let answer = accounts.create_token_request(service_account, &PostParams::default(), &request).await;
        let answer = answer.with_context(|| format!("no token for ServiceAccount {namespace}/{service_account}"))?;
        Ok(answer.status.context("the API server made no token")?.token)
    }

    /// Pods are refused before their namespace has it.
    pub async fn wait_for_service_account(&self, namespace: &str) -> Result<()> {
        let accounts = Api::<ServiceAccount>::namespaced(self.admin(), namespace);
        let what = format!("the ServiceAccount default in namespace {namespace} appears");
        let limit = std::time::Duration::from_secs(30);
        wait::until(&what, limit, async || Ok(accounts.get_opt("default").await?.map(drop))).await
    }

    pub fn kubectl_program(&self) -> &Path {
        &self.tools.kubectl
    }

    /// `kubectl` with the administrator's KUBECONFIG.
    pub fn kubectl(&self) -> Command {
        self.tool(&self.tools.kubectl)
    }

    /// `helm` with the administrator's KUBECONFIG and folders of its own.
    pub fn helm(&self) -> Command {
        self.tool(&self.tools.helm)
    }

    fn tool(&self, program: &Path) -> Command {
        let folder = |name: &str| self.folder.join(name);
        let mut command = Command::new(program);
        command.env("KUBECONFIG", &self.kubeconfig).env("KUBECACHEDIR", folder("kubectl"));
        for kind in ["CACHE", "CONFIG", "DATA"] {
            command.env(format!("HELM_{kind}_HOME"), folder("helm").join(kind.to_lowercase()));
        }
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// `kubectl apply` of manifests, as the administrator.
    pub async fn apply(&self, manifests: &str) -> Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), manifests)?;
        self.kubectl_output(&["apply", "-f", &file.path().display().to_string()]).await.map(drop)
    }

    /// Standard output of `kubectl …`; a failure is an error with what it says.
    pub async fn kubectl_output(&self, args: &[&str]) -> Result<String> {
        let answer = self.kubectl().args(args).output().await.context("cannot start kubectl")?;
        if !answer.status.success() {
            let words = String::from_utf8_lossy(&answer.stderr).into_owned();
            bail!("kubectl {} failed ({}): {words}", args.join(" "), answer.status);
        }
        Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
    }
}

/// By a rename: a test may renew the token of a kubeconfig that another reads.
pub fn write_whole(path: &Path, text: &str) -> Result<()> {
    let new = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    std::fs::write(new.path(), text)?;
    new.persist(path)?;
    Ok(())
}
