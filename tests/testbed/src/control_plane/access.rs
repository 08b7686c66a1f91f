//! Clients of the API server.

use std::path::Path;

use anyhow::{Context, Result};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};

const DAY: i64 = 24 * 3_600;

pub async fn config(kubeconfig: &Path) -> Result<kube::Config> {
    let file = Kubeconfig::read_from(kubeconfig)?;
    let mut config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    // From the environment, where NO_PROXY is not looked at: the way to loopback leads through no proxy.
    config.proxy_url = None;
    Ok(config)
}

/// The configuration was read from files of ours when the control plane started, and served it then.
pub fn client(config: kube::Config) -> kube::Client {
    kube::Client::try_from(config).unwrap_or_else(|error| panic!("the testbed's own kubeconfig is refused: {error}"))
}

pub async fn token(client: kube::Client, namespace: &str, service_account: &str) -> Result<String> {
    let request = TokenRequest {
        spec: TokenRequestSpec { expiration_seconds: Some(DAY), ..TokenRequestSpec::default() },
        ..TokenRequest::default()
    };
    let accounts = Api::<ServiceAccount>::namespaced(client, namespace);
    let answer = accounts.create_token_request(service_account, &PostParams::default(), &request).await;
    let answer = answer.with_context(|| format!("no token for ServiceAccount {namespace}/{service_account}"))?;
    Ok(answer.status.context("the API server made no token")?.token)
}
