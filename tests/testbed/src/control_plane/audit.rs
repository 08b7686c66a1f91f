//! The API server's audit log: who asked for what, and who wrote what.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

/// A request, answered or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub at: Timestamp,
    pub user: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: String,
    /// `pods`, or `pods/status` for a subresource.
    pub resource: String,
    pub namespace: String,
    pub name: String,
    /// The HTTP status.
    pub code: u16,
}

impl Request {
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }
}

/// The requests of users whose names start with `user`, received at `since` or later, in the order of their ends. A
/// watch is there twice: when it is answered and when it ends. Reads are logged of ServiceAccounts only, and not of the
/// system's own.
pub fn requests(log: &Path, user: &str, since: SystemTime) -> Result<Vec<Request>> {
    let since = Timestamp::try_from(since)?;
    let file = std::fs::File::open(log).with_context(|| format!("no audit log {}", log.display()))?;
    let mut found = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line?;
        // Most lines are of others, and reading them as JSON is dear.
        if !line.contains(user) {
            continue;
        }
        // The server may be in the middle of its last line.
        let Ok(event) = serde_json::from_str::<Event>(&line) else { continue };
        if event.user.username.starts_with(user) && event.request_received_timestamp >= since {
            found.push(event.into());
        }
    }
    Ok(found)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    request_received_timestamp: Timestamp,
    verb: String,
    user: User,
    #[serde(default)]
    object_ref: Object,
    #[serde(default)]
    response_status: Status,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    resource: String,
    subresource: Option<String>,
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
}

impl From<Event> for Request {
    fn from(event: Event) -> Self {
        let Object { resource, subresource, namespace, name } = event.object_ref;
        let resource = match subresource {
            Some(part) => format!("{resource}/{part}"),
            None => resource,
        };
        let Event { request_received_timestamp: at, verb, user, response_status, .. } = event;
        Self { at, user: user.username, verb, resource, namespace, name, code: response_status.code }
    }
}
