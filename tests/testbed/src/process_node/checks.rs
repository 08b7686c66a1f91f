//! What probes and lifecycle hooks do: a request, a connection, a command.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, ExecAction, HTTPGetAction, LifecycleHandler, Probe, TCPSocketAction};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::launcher::Launcher;
use super::recipe::Recipe;

/// A container as its probes and hooks see it.
pub struct Target {
    pub ip: String,
    pub container: Container,
    pub recipe: Recipe,
    pub launcher: Arc<Launcher>,
    pub http: reqwest::Client,
}

/// The client of all HTTP probes: as the kubelet, it trusts any certificate and follows no proxy.
pub fn http_client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .danger_accept_invalid_certs(true)
        .pool_max_idle_per_host(0)
        .user_agent("kube-probe/process-node")
        .build()
}

impl Target {
    /// One try of a probe within its timeout.
    pub async fn probe(&self, probe: &Probe) -> bool {
        let timeout = Duration::from_secs(probe.timeout_seconds.unwrap_or(1).max(1) as u64);
        let check = async {
            if let Some(action) = &probe.http_get {
                self.http_get(action).await
            } else if let Some(action) = &probe.tcp_socket {
                self.connect(action).await
            } else if let Some(action) = &probe.exec {
                self.exec(action).await
            } else {
                true
            }
        };
        tokio::time::timeout(timeout, check).await.unwrap_or(false)
    }

    /// Runs a lifecycle hook; the caller bounds its time.
    pub async fn hook(&self, hook: &LifecycleHandler) -> bool {
        if let Some(action) = &hook.exec {
            self.exec(action).await
        } else if let Some(action) = &hook.http_get {
            self.http_get(action).await
        } else if let Some(action) = &hook.sleep {
            tokio::time::sleep(Duration::from_secs(action.seconds.max(0) as u64)).await;
            true
        } else {
            true
        }
    }

    async fn http_get(&self, action: &HTTPGetAction) -> bool {
        let Some(port) = self.port(&action.port) else { return false };
        let scheme = action.scheme.as_deref().unwrap_or("http").to_ascii_lowercase();
        let host = action.host.as_deref().unwrap_or(&self.ip);
        let path = action.path.as_deref().unwrap_or_default().trim_start_matches('/');
        let mut request = self.http.get(format!("{scheme}://{host}:{port}/{path}"));
        for header in action.http_headers.iter().flatten() {
            request = request.header(&header.name, &header.value);
        }
        request.send().await.is_ok_and(|answer| (200..400).contains(&answer.status().as_u16()))
    }

    async fn connect(&self, action: &TCPSocketAction) -> bool {
        let Some(port) = self.port(&action.port) else { return false };
        let host = action.host.as_deref().unwrap_or(&self.ip);
        tokio::net::TcpStream::connect((host, port)).await.is_ok()
    }

    /// A port by number, or by the name the container gives it.
    fn port(&self, port: &IntOrString) -> Option<u16> {
        let number = match port {
            IntOrString::Int(number) => *number,
            IntOrString::String(name) => {
                let named = self.container.ports.iter().flatten().find(|port| port.name.as_ref() == Some(name));
                named.map(|port| port.container_port).or_else(|| name.parse().ok())?
            }
        };
        number.try_into().ok()
    }

    async fn exec(&self, action: &ExecAction) -> bool {
        let Ok(line) = self.recipe.command(action.command.as_deref().unwrap_or_default(), &[]) else { return false };
        match self.launcher.spawn(line, [Stdio::null(), Stdio::null()]).await {
            Ok(process) => process.exit_code().await == 0,
            Err(_) => false,
        }
    }
}
