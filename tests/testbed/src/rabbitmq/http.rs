//! The management API, as the administrator.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::Value;

use super::node::{ADMIN, ADMIN_PASSWORD, Node};

/// A name as part of a path: everything but letters, digits and `-._~` as `%XX`.
pub fn encode(name: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

pub async fn get(node: &Node, path: &str) -> Result<Value> {
    Ok(request(node, Method::GET, path, None).await?.json().await?)
}

pub async fn put(node: &Node, path: &str, body: &Value) -> Result<()> {
    request(node, Method::PUT, path, Some(body)).await.map(drop)
}

pub async fn delete(node: &Node, path: &str) -> Result<()> {
    request(node, Method::DELETE, path, None).await.map(drop)
}

/// Whether the API is there to be used.
pub fn available(node: &Node) -> bool {
    node.management.load(Ordering::Relaxed)
}

async fn request(node: &Node, method: Method, path: &str, body: Option<&Value>) -> Result<reqwest::Response> {
    let url = format!("http://127.0.0.1:{}{path}", node.ports.management);
    let client = crate::base::http::client(Duration::from_secs(20))?;
    let mut request = client.request(method.clone(), &url).basic_auth(ADMIN, Some(ADMIN_PASSWORD));
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request.send().await.with_context(|| format!("{method} {path}"))?;
    if !answer.status().is_success() {
        let status = answer.status();
        bail!("{method} {path}: {status} {}", answer.text().await.unwrap_or_default());
    }
    Ok(answer)
}
