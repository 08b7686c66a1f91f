//! However the node ends, its processes end too.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use awp_testbed::ProcessNode;
use awp_testbed::base::wait;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, PostParams};
use serde_json::json;

use super::place::{LIMIT, Place, container, lives, shell};

/// Ignores SIGTERM, with a child in its process group and one in a session of its own. (`$$` in a command is one `$`
/// to Kubernetes.)
const FAMILY: &str =
    "trap '' TERM; sleep 600 & one=$!; setsid sleep 600 & echo $one $! $$$$; while :; do sleep 0.1; done";

async fn pids(place: &Place) -> Vec<String> {
    place.script("family", FAMILY).await;
    let pids: Vec<_> = place.wrote("family", "\n").await.split_whitespace().map(str::to_owned).collect();
    assert!(pids.len() == 3 && pids.iter().all(|pid| lives(pid)));
    pids
}

async fn all_end(pids: &[String], within: Duration) {
    let deadline = Instant::now() + within;
    while pids.iter().any(|pid| lives(pid)) {
        assert!(Instant::now() < deadline, "of {pids:?} some live on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn pod_folders(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).unwrap();
    entries.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("pods-")).count()
}

#[tokio::test]
async fn a_stopped_node_leaves_the_cluster_and_no_process() {
    let place = Place::new("stopped").await;
    let pids = pids(&place).await;
    let Place { cluster, node, dir, namespace } = place;
    let begun = Instant::now();
    node.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(!pids.iter().any(|pid| lives(pid)));
    assert!(Api::<Node>::all(cluster.admin()).get_opt(&namespace).await.unwrap().is_none());
    let left = Api::<Pod>::namespaced(cluster.admin(), &namespace);
    assert!(left.get_opt("family").await.unwrap().is_none());
    assert_eq!(pod_folders(dir.path()), 0);
}

#[tokio::test]
async fn a_dropped_node_leaves_no_process() {
    let place = Place::new("dropped").await;
    let pids = pids(&place).await;
    drop(place.node);
    assert!(!pids.iter().any(|pid| lives(pid)));
    assert_eq!(pod_folders(place.dir.path()), 0);
}

#[tokio::test]
async fn a_node_that_comes_back_restarts_its_pods_and_counts_it() {
    let mut place = Place::new("back").await;
    let mut main = shell("main", "sleep 600");
    main["readinessProbe"] = json!({"exec": {"command": ["true"]}});
    place.create("patient", json!({"containers": [main]})).await;
    place.ready("patient").await;
    let options = Place::options(place.cluster, place.node.name(), place.dir.path().to_owned());
    let kubeconfig = place.cluster.kubeconfig();
    // The new node claims its addresses while the old one has them: the pod gets another one.
    let after = ProcessNode::start(kubeconfig, options).await.unwrap();
    drop(std::mem::replace(&mut place.node, after));
    let pod = place.until("patient", "restarted", |pod| container(pod)["restartCount"] == 1).await;
    assert_eq!(container(&pod)["lastState"]["terminated"]["message"], "the node restarted");
    assert_eq!(pod["status"]["podIPs"], json!([{"ip": pod["status"]["podIP"]}]));
    place.ready("patient").await;
}

#[tokio::test]
async fn a_node_of_the_command_line_that_is_killed_leaves_no_process() {
    let place = Place::new("killed").await;
    let (dir, name) = (tempfile::tempdir().unwrap(), format!("{}-cli", place.namespace));
    let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_testbed"))
        .args(["node", "--name", &name, "--image", "sh=", "--kubeconfig"])
        .arg(place.cluster.kubeconfig())
        .arg("--dir")
        .arg(dir.path())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let pod = json!({"metadata": {"name": "family"}, "spec": {
        "nodeSelector": {"kubernetes.io/hostname": name}, "containers": [shell("main", FAMILY)]}});
    place.pods().create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    let log = dir.path().join("logs").join(format!("{}_family_main.log", place.namespace));
    let text = wait::until("the pod of the command line's node writes", LIMIT, async || {
        Ok(std::fs::read_to_string(&log).ok().filter(|text| text.ends_with('\n')))
    });
    let pids: Vec<_> = text.await.unwrap().split_whitespace().map(str::to_owned).collect();
    assert!(pids.len() == 3 && pids.iter().all(|pid| lives(pid)));
    program.kill().await.unwrap();
    all_end(&pids, Duration::from_secs(5)).await;
    wait::until("the pods' folder is removed", LIMIT, async || Ok((pod_folders(dir.path()) == 0).then_some(())))
        .await
        .unwrap();
}
