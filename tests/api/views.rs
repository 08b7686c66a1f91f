//! What `kubectl get` and `kubectl explain` show.

use awp::api::AgentWorkerPool;
use awp::api::status::{AgentWorkerPoolStatus, Backlog, Decision};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::table::table;
use crate::{cluster, succeed};

/// The words of a line; columns are never empty here.
fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[tokio::test]
async fn kubectl_get_answers_what_runs_and_why() {
    let cluster = cluster().await;
    let namespace = cluster.namespace("views").await.unwrap();
    let mut manifest = table().pool;
    manifest["spec"]["scaling"] = json!({ "holdReplicas": 5 });
    succeed(cluster, &["apply", "-n", &namespace, "-f", "-"], &manifest.to_string()).await;
    let status = AgentWorkerPoolStatus {
        replicas: Some(14),
        ready_replicas: Some(13),
        backlog: Some(Backlog { ready: Some(37), in_flight: Some(41), trust: Some("Known".into()), since: None }),
        decision: Some(Decision {
            wanted: 19,
            granted: 12,
            applied: 14,
            bound_by: "MaxMemory".into(),
            reason: "because".into(),
        }),
        ..AgentWorkerPoolStatus::default()
    };
    let pools: Api<AgentWorkerPool> = Api::namespaced(cluster.admin(), &namespace);
    let patch = Patch::Merge(json!({ "status": status }));
    pools.patch_status("refused", &PatchParams::default(), &patch).await.unwrap();

    let table = succeed(cluster, &["get", "awp", "-n", &namespace], "").await;
    let lines: Vec<_> = table.lines().map(words).collect();
    let columns = ["NAME", "BACKLOG", "IN-FLIGHT", "WANTED", "GRANTED", "REPLICAS", "READY", "BOUND-BY", "HOLD", "AGE"];
    assert_eq!(lines[0], columns);
    assert_eq!(lines[1][..9], ["refused", "37", "41", "19", "12", "14", "13", "MaxMemory", "5"]);

    let table = succeed(cluster, &["get", "awp", "-n", &namespace, "-o", "wide"], "").await;
    let lines: Vec<_> = table.lines().map(words).collect();
    assert_eq!(lines[0][10..], ["TRUST", "REASON"]);
    assert_eq!(lines[1][10..], ["Known", "because"]);
}

#[tokio::test]
async fn kubectl_explain_tells_type_unit_default_and_an_example() {
    let cluster = cluster().await;
    for (field, parts) in [
        ("awp", &["A pool of workers for the tasks of one queue."] as &[&str]),
        ("awp.spec", &["broker\t<Object> -required-", "worker\t<Object> -required-", "prefetch\t<Object>\n"]),
        ("awp.spec.broker.rabbitmq.uri", &["<string>", "amqp://host[:port][/vhost]", "Default port: 5672", "Example:"]),
        ("awp.spec.scaling.maxMemory", &["<string>", "A quantity.", "Default: unlimited", "Example: 128Gi"]),
        ("awp.spec.scaling.startWithin", &["<string>", "A duration.", "Default: 60s"]),
        ("awp.spec.scaling.mode", &["ENUM: Auto Recommend Paused", "Default: Auto"]),
        ("awp.spec.worker.statusPort", &["<integer>", "1 to 65535", "Example: 9464"]),
        ("awp.spec.worker.template.spec.containers", &["<[]Object>"]),
        ("awp.status.decision", &["wanted", "What the queue asks for."]),
    ] {
        let text = succeed(cluster, &["explain", field], "").await;
        // kubectl breaks lines where it likes.
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in parts {
            assert!(flat(&text).contains(&flat(part)), "{field}: no {part:?} in\n{text}");
        }
    }
}

#[tokio::test]
async fn the_status_is_written_by_its_own_subresource_only() {
    let cluster = cluster().await;
    let namespace = cluster.namespace("views").await.unwrap();
    let mut manifest = table().pool;
    manifest["status"] = json!({ "replicas": 3 });
    succeed(cluster, &["create", "-n", &namespace, "-f", "-"], &manifest.to_string()).await;
    let pools: Api<AgentWorkerPool> = Api::namespaced(cluster.admin(), &namespace);
    assert_eq!(pools.get("refused").await.unwrap().status, None);
}
