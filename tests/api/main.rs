//! The API as a user meets it: what is refused and in which words, what is accepted, and what

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod accepted;
mod refused;
mod rules;
mod scale;
mod switching;
mod table;
mod views;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use awp_testbed::ControlPlane;
use awp_testbed::base::wait;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::OnceCell;

/// The control plane with the definition installed, as a user installs it: plain `kubectl apply`.
async fn cluster() -> &'static ControlPlane {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let cluster = awp_testbed::control_plane().await;
    INSTALLED
        .get_or_init(|| async {
            let crd = repository().join("crds/agentworkerpools.agentworkers.io.yaml");
            let output = kubectl(cluster, &["apply", "-f", crd.to_str().unwrap()], "").await;
            // A warning (an unknown format, say) goes to stderr as well.
            assert_eq!(
                says(&output),
                "customresourcedefinition.apiextensions.k8s.io/agentworkerpools.agentworkers.io created"
            );
            // Served, and published for `kubectl explain`, a moment later.
            wait::until("pools can be explained", Duration::from_secs(30), async || {
                let output = kubectl(cluster, &["explain", "awp.spec"], "").await;
                Ok(output.status.success().then_some(()))
            })
            .await
            .unwrap();
        })
        .await;
    cluster
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

async fn kubectl(cluster: &ControlPlane, args: &[&str], stdin: &str) -> Output {
    let mut command = cluster.kubectl();
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).await.unwrap();
    child.wait_with_output().await.unwrap()
}

/// What it printed, both streams.
fn says(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(text).unwrap().trim().to_owned()
}

async fn succeed(cluster: &ControlPlane, args: &[&str], stdin: &str) -> String {
    let output = kubectl(cluster, args, stdin).await;
    assert!(output.status.success(), "kubectl {}: {}", args.join(" "), says(&output));
    says(&output)
}

async fn fail(cluster: &ControlPlane, args: &[&str], stdin: &str) -> String {
    let output = kubectl(cluster, args, stdin).await;
    assert!(!output.status.success(), "kubectl {} succeeded: {}\n{stdin}", args.join(" "), says(&output));
    says(&output)
}
