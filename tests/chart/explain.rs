//! `awp explain` by the API server's proxy, with no more rights than the chart's Role for it gives.
//!
//! An API server proxies to no loopback address, and servers of tests listen on no other. So the test runs again in
//! a network namespace of its own, where the loopback device has one more address and nobody else can come in.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use awp_testbed::base::wait;
use awp_testbed::operator::{Operator, Options, install_chart};
use awp_testbed::{Access, ControlPlane};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::helm::{CHART, objects, of_kind};

const AWP: &str = env!("CARGO_BIN_EXE_awp");
/// From a block for documentation: it is nobody's.
const ADDRESS: &str = "198.51.100.7:8080";
const INSIDE: &str = "AWP_TEST_INSIDE_ITS_NETWORK";
const ITSELF: &str = "explain::the_charts_role_is_enough_for_asking_through_the_proxy";

/// Whether the test ran, in a network of its own.
async fn ran_inside() -> bool {
    let script = "ip link set lo up && ip addr add 198.51.100.7/32 dev lo && exec \"$0\" \"$@\"";
    let own = std::env::current_exe().unwrap();
    let probe = Command::new("unshare").args(["-rn", "ip", "link", "show", "lo"]).output().await;
    if !probe.is_ok_and(|answer| answer.status.success()) {
        eprintln!("skipped: no network namespace can be made here (unshare -rn, ip)");
        return false;
    }
    let mut inside = Command::new("unshare");
    inside.args(["-rn", "sh", "-c", script]).arg(own).args(["--exact", ITSELF, "--nocapture"]).env(INSIDE, "1");
    let answer = inside.output().await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&answer.stdout), String::from_utf8_lossy(&answer.stderr));
    assert!(answer.status.success() && out.contains("1 passed"), "{out}\n{err}");
    true
}

#[tokio::test]
async fn the_charts_role_is_enough_for_asking_through_the_proxy() {
    if std::env::var_os(INSIDE).is_none() {
        ran_inside().await;
        return;
    }
    let cluster = ControlPlane::start().await.unwrap();
    let namespace = cluster.namespace("proxy").await.unwrap();
    let admin: SocketAddr = ADDRESS.parse().unwrap();
    let options = Options { admin: Some(admin), ..Options::new(AWP, CHART, &namespace) };
    install_chart(&cluster, &options).await.unwrap();
    let kubeconfig = cluster.kubeconfig_for(&namespace, "awp").await.unwrap();
    let operator = Operator::start_with(&kubeconfig, &options).await.unwrap();
    apply(&cluster, &pool(&namespace)).await;
    service(&cluster, &namespace, admin).await;
    let asker = asker(&cluster, &namespace).await;

    let mut missing = Value::Null;
    let told = wait::until("the operator answers through the proxy", Duration::from_secs(60), async || {
        let told = explained(&asker, &namespace, "research").await;
        missing = told["missing"].clone();
        Ok((told["source"] == "Operator").then_some(told))
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}\n{missing:#}\n{}", operator.log()));
    assert_eq!((&told["namespace"], &told["pool"]), (&json!(namespace), &json!("research")), "{told:#}");
    assert_eq!(told["reading"]["unknown"]["reason"], "BrokerUnreachable", "{told:#}");

    // The proxy answers for this Service, and the Role opens no other.
    let path = |service: &str| format!("/api/v1/namespaces/{namespace}/services/{service}/proxy/metrics");
    let raw = async |path: String| {
        let mut kubectl = Command::new(cluster.program("kubectl"));
        let request = kubectl.args(["get", "--raw", &path]).env("KUBECONFIG", &asker);
        request.output().await.unwrap()
    };
    assert!(raw(path("awp-metrics:metrics")).await.status.success());
    for other in ["awp-metrics", "awp-metrics:8080", "other:metrics"] {
        let refused = raw(path(other)).await;
        assert!(String::from_utf8_lossy(&refused.stderr).contains("Forbidden"), "{other}: {refused:?}");
    }
    drop(operator);
    cluster.shut_down().await.unwrap();
}

async fn explained(kubeconfig: &Path, namespace: &str, pool: &str) -> Value {
    let mut command = Command::new(AWP);
    let asked = command.args(["explain", pool, "-n", namespace, "-o", "json"]).env("KUBECONFIG", kubeconfig);
    let answer = asked.env_remove("AWP_OPERATOR").output().await.unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    serde_json::from_slice(&answer.stdout).unwrap()
}

async fn apply(cluster: &Access, manifest: &Value) {
    cluster.apply(&manifest.to_string()).await.unwrap();
}

/// A pool whose broker is not there: that can be explained as well.
fn pool(namespace: &str) -> Value {
    json!({
        "apiVersion": "agentworkers.io/v1alpha1", "kind": "AgentWorkerPool",
        "metadata": { "name": "research", "namespace": namespace },
        "spec": {
            "broker": { "rabbitmq": { "uri": "amqp://127.0.0.1:1/x", "queues": ["tasks"] } },
            "worker": { "template": { "spec": { "containers": [{ "name": "agent", "image": "agent" }] } } },
        },
    })
}

/// The chart's Service, and a pod for its selector: the API server proxies only to addresses of pods. The operator
/// that answers there is a process of the test.
async fn service(cluster: &Access, namespace: &str, admin: SocketAddr) {
    let rendered = objects(&[]);
    let mut service = (*of_kind(&rendered, "Service").first().unwrap()).clone();
    service["metadata"]["namespace"] = json!(namespace);
    apply(cluster, &service).await;
    // Pods of nodes that do not exist are in no endpoints.
    apply(cluster, &json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "nowhere" } })).await;
    let ports = json!([{ "name": "admin", "containerPort": admin.port() }]);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "awp-0", "namespace": namespace, "labels": service["spec"]["selector"] },
        "spec": { "nodeName": "nowhere", "containers": [{ "name": "operator", "image": "awp", "ports": ports }] },
    });
    apply(cluster, &pod).await;
    let ip = admin.ip().to_string();
    let ready = json!([{ "type": "Ready", "status": "True" }]);
    let status =
        json!({ "status": { "phase": "Running", "podIP": ip, "podIPs": [{ "ip": ip }], "conditions": ready } });
    let pods: Api<Pod> = Api::namespaced(cluster.admin(), namespace);
    pods.patch_status("awp-0", &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
}

/// Somebody who may see pools, and explanations by the chart's Role.
async fn asker(cluster: &Access, namespace: &str) -> std::path::PathBuf {
    let subject = json!([{ "kind": "ServiceAccount", "name": "asker", "namespace": namespace }]);
    let meta = json!({ "name": "asker", "namespace": namespace });
    let group = "rbac.authorization.k8s.io";
    let pools = json!([{ "apiGroups": ["agentworkers.io"], "resources": ["agentworkerpools"], "verbs": ["get"] }]);
    let rendered = objects(&["rbac.explain[0].kind=ServiceAccount", "rbac.explain[0].name=asker"]);
    let named = |kind: &str| {
        let of_kind = of_kind(&rendered, kind);
        let mut object = (*of_kind.iter().find(|object| object["metadata"]["name"] == "awp-explain").unwrap()).clone();
        object["metadata"]["namespace"] = json!(namespace);
        object
    };
    let (role, mut binding) = (named("Role"), named("RoleBinding"));
    binding["subjects"] = subject.clone();
    for manifest in [
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta }),
        json!({ "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": meta, "rules": pools }),
        json!({ "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": meta,
            "roleRef": { "apiGroup": group, "kind": "Role", "name": "asker" }, "subjects": subject }),
        role,
        binding,
    ] {
        apply(cluster, &manifest).await;
    }
    cluster.kubeconfig_for(namespace, "asker").await.unwrap()
}
