//! The installed operator runs: as the chart's pod, with the chart's rights.

use awp_testbed::ControlPlane;
use awp_testbed::process_node::{Options, ProcessNode};
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use kube::api::{Api, ListParams};

use crate::helm::CHART;

/// `helm install --wait` ends when the operator's readiness probe succeeds, and `/readyz` says ok only after
/// every kind was listed: a missing right fails here.
#[tokio::test]
async fn helm_waits_for_an_operator_that_has_listed_everything() {
    let cluster = ControlPlane::start().await.unwrap();
    let namespace = cluster.namespace("running").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let image = format!("awp:{}", env!("CARGO_PKG_VERSION"));
    let options = Options::new("node", folder.path()).image(&image, [env!("CARGO_BIN_EXE_awp")]);
    let node = ProcessNode::start(cluster.kubeconfig(), options).await.unwrap();

    let install = ["install", "awp", CHART, "--namespace", &namespace, "--wait", "--timeout", "60s"];
    let answer = cluster.helm().args(install).output().await.unwrap();
    let pod = only_pod(&cluster, &namespace).await;
    let log = node.log(&namespace, pod.metadata.name.as_deref().unwrap(), "operator");
    assert!(answer.status.success(), "{}\n{log}", String::from_utf8_lossy(&answer.stderr));
    assert!(!log.contains("403"), "{log}");

    // The Service selects this pod. (Its endpoints stay empty here: they may not be loopback addresses.)
    let metrics =
        Api::<Service>::namespaced(cluster.admin(), &namespace).get("awp-metrics").await.unwrap().spec.unwrap();
    let labels = pod.metadata.labels.unwrap();
    assert!(metrics.selector.unwrap().iter().all(|(name, value)| labels.get(name) == Some(value)));
    let address = pod.status.unwrap().pod_ip.unwrap();
    assert!(get(&format!("http://{address}:8080/metrics")).await.contains("awp_reconcile_seconds"));
    assert_eq!(get(&format!("http://{address}:8080/livez")).await.trim(), "ok");

    node.stop().await;
    assert!(Api::<Node>::all(cluster.admin()).list(&ListParams::default()).await.unwrap().items.is_empty());
}

async fn only_pod(cluster: &ControlPlane, namespace: &str) -> Pod {
    let mut pods = Api::<Pod>::namespaced(cluster.admin(), namespace).list(&ListParams::default()).await.unwrap().items;
    assert_eq!(pods.len(), 1);
    pods.remove(0)
}

async fn get(url: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(url).send().await.unwrap().error_for_status().unwrap().text().await.unwrap()
}
