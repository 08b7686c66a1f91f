//! Asking a server on loopback whether it is there.

use std::time::Duration;

use anyhow::{Result, bail};

/// `GET` that must answer 2xx. The certificate is not looked at: servers make their own for their health port.
///
/// A client per call, because a pool of connections would belong to the runtime of the test that opened them first.
pub async fn get_insecure(url: &str) -> Result<()> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_danger_accept_invalid_certs(true)
        .timeout(Duration::from_secs(5))
        .build()?;
    let answer = client.get(url).send().await?;
    let status = answer.status();
    if !status.is_success() {
        bail!("{url}: {status} {}", answer.text().await.unwrap_or_default());
    }
    Ok(())
}
