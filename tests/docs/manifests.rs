//! Manifests in the documents and the examples, given to a real API server.

use std::path::PathBuf;
use std::process::Stdio;

use awp_testbed::control_plane;
use awp_testbed::operator::pools_are_served;
use tokio::io::AsyncWriteExt as _;

use crate::text::{blocks, read};

/// `(place, manifest)` of every complete object.
fn manifests() -> Vec<(String, String)> {
    let documented = blocks("yaml").into_iter().filter(|block| block.text.contains("apiVersion:"));
    let mut all: Vec<_> = documented.map(|block| (block.place, block.text)).collect();
    let mut examples: Vec<PathBuf> =
        std::fs::read_dir("examples").unwrap().map(|entry| entry.unwrap().path()).collect();
    examples.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    examples.sort();
    all.extend(examples.iter().map(|file| (file.display().to_string(), read(file))));
    all
}

#[tokio::test]
async fn every_manifest_is_accepted_by_the_api_server() {
    let cluster = control_plane().await;
    cluster.kubectl_output(&["apply", "-f", "crds"]).await.unwrap();
    pools_are_served(cluster).await.unwrap();
    // Manifests name it, or leave the namespace to the reader.
    cluster.kubectl_output(&["create", "namespace", "agents"]).await.unwrap();

    let manifests = manifests();
    let pools = manifests.iter().filter(|(_, manifest)| manifest.contains("kind: AgentWorkerPool")).count();
    assert!(pools >= 4, "only {pools} pools found: does the reader of documents still work?");
    for (place, manifest) in manifests {
        // Strict: an unknown field is an error, as it is for who pastes it.
        let args = ["apply", "--namespace=agents", "--dry-run=server", "--validate=strict", "-f", "-"];
        let mut kubectl = cluster.kubectl();
        let pipes = kubectl.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = pipes.spawn().unwrap();
        running.stdin.take().unwrap().write_all(manifest.as_bytes()).await.unwrap();
        let answer = running.wait_with_output().await.unwrap();
        assert!(answer.status.success(), "{place}: {}", String::from_utf8_lossy(&answer.stderr));
    }
}
