//! Asking a server on loopback.

use std::time::Duration;

use anyhow::{Result, bail};

/// A client for one call, because a pool of connections would belong to the runtime of the test that opened them first.
/// It trusts no authority: reading the system's certificates takes longer than the call.
pub fn client(limit: Duration) -> Result<reqwest::Client> {
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(limit);
    Ok(builder.tls_danger_accept_invalid_certs(true).build()?)
}

/// `GET` that must answer 2xx. The certificate is not looked at: servers make their own for their health port.
pub async fn get_insecure(url: &str) -> Result<()> {
    let answer = client(Duration::from_secs(5))?.get(url).send().await?;
    let status = answer.status();
    if !status.is_success() {
        bail!("{url}: {status} {}", answer.text().await.unwrap_or_default());
    }
    Ok(())
}
