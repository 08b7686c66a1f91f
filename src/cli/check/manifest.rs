//! The manifest of a pool: from a file, judged by the API server's own rules.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use super::cluster::{Admission, Cluster};
use crate::api::AgentWorkerPool;
use crate::brokers::check::Step;

/// What is checked.
#[derive(Debug)]
pub struct Subject {
    pub name: String,
    pub pool: AgentWorkerPool,
    /// It is a pool of the cluster: its spec has passed the API server's rules.
    pub admitted: bool,
}

/// The one pool in a file; `None` if `subject` is the name of a pool.
pub fn read(subject: &str) -> anyhow::Result<Option<Value>> {
    let extension = Path::new(subject).extension().and_then(|extension| extension.to_str());
    let is_file = subject.contains('/') || matches!(extension, Some("yaml" | "yml" | "json"));
    let text = match subject {
        "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("stdin cannot be read")?;
            text
        }
        file if is_file => std::fs::read_to_string(file).with_context(|| format!("{file} cannot be read"))?,
        _ => return Ok(None),
    };
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&text).with_context(|| format!("{subject} is neither YAML nor JSON"))?;
    let mut pools = documents.into_iter().filter(|document| document["kind"] == "AgentWorkerPool");
    let pool = pools.next().with_context(|| format!("{subject} holds no AgentWorkerPool"))?;
    anyhow::ensure!(pools.next().is_none(), "{subject} holds several pools: check one at a time");
    Ok(Some(pool))
}

/// Judges a manifest; `None` = it cannot be understood, and nothing else can be tried.
pub async fn subject(mut manifest: Value, cluster: &Cluster, steps: &mut Vec<Step>) -> Option<Subject> {
    let name = manifest["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    manifest["metadata"]["namespace"] = Value::from(cluster.namespace.clone());
    match cluster.admits(&name, &manifest).await {
        Admission::Accepted => steps.push(Step::passed("spec", "the API server accepts it")),
        Admission::Refused(message) => {
            steps.push(Step::failed("spec", message, "correct the manifest; `kubectl explain awp.spec` helps"));
            return None;
        }
        Admission::NotTried(why) => {
            let remedy = "with a cluster that has the CRD, and the right to patch pools, the API server judges it";
            steps.push(Step::warning("spec", format!("only the operator's own rules were tried: {why}"), remedy));
        }
    }
    match serde_json::from_value::<AgentWorkerPool>(manifest) {
        Ok(pool) => Some(Subject { name, pool, admitted: false }),
        Err(error) => {
            let remedy = "correct the manifest; `kubectl explain awp.spec` helps";
            steps.push(Step::failed("spec", format!("the manifest cannot be read: {error}"), remedy));
            None
        }
    }
}
