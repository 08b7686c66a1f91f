//! Many pods, and a server that goes away.

use std::time::Duration;

use awp_testbed::{ControlPlane, ProcessNode};
use serde_json::json;

use super::place::{Place, container, shell};

#[tokio::test]
async fn fifty_pods_run_on_one_thread() {
    let place = Place::new("fifty").await;
    let mut main = shell("main", "sleep 600");
    main["readinessProbe"] = json!({"exec": {"command": ["true"]}, "periodSeconds": 5});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "many", "namespace": place.namespace},
        "spec": {"replicas": 50, "selector": {"matchLabels": {"app": "many"}}, "template": {
            "metadata": {"labels": {"app": "many"}},
            "spec": place.here(json!({"containers": [main], "terminationGracePeriodSeconds": 1}))}}});
    place.cluster.apply(&deployment.to_string()).await.unwrap();
    let rollout = ["-n", &place.namespace, "rollout", "status", "deployment/many", "--timeout=60s"];
    place.cluster.kubectl_output(&rollout).await.unwrap();
    // The system cuts names of threads to 15 bytes.
    let name = format!("node {}", place.node.name());
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let comm = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    let threads = comm.filter(|comm| name.starts_with(comm.trim()) && comm.starts_with("node ")).count();
    assert_eq!(threads, 1);
}

#[tokio::test]
async fn pods_go_on_while_the_api_server_is_away() {
    let cluster = ControlPlane::start().await.unwrap();
    let namespace = cluster.namespace("away").await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let options = Place::options(&cluster, &namespace, dir.path().to_owned());
    let node = ProcessNode::start(cluster.kubeconfig(), options).await.unwrap();
    // A test ends its process, and with it what is leaked here.
    let place = Place { cluster: Box::leak(Box::new(cluster)), namespace, node, dir };
    let go = place.dir.path().join("go");
    place.script("walker", &format!("until [ -e {0} ]; do sleep 0.1; done; rm {0}; exit 3", go.display())).await;
    place.ready("walker").await;

    place.cluster.stop_api_server().await.unwrap();
    std::fs::write(&go, "").unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!go.exists(), "the container did not run on");
    place.cluster.start_api_server().await.unwrap();
    let pod = place.until("walker", "restart told", |pod| container(pod)["restartCount"] == 1).await;
    assert_eq!(container(&pod)["lastState"]["terminated"]["exitCode"], 3);
    place.delete("walker", 0).await;
    place.gone("walker").await;
}
