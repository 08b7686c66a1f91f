//! What a user may write, up to the limits of the schema.

use awp::api::AgentWorkerPool;
use awp::api::parsed::Pool;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::rules::examples;
use crate::table::table;
use crate::{cluster, succeed};

#[tokio::test]
async fn every_example_is_accepted_as_it_stands() {
    let cluster = cluster().await;
    for file in examples() {
        // A namespace each: two of them show the same pool.
        let namespace = cluster.namespace("examples").await.unwrap();
        let path = file.to_str().unwrap();
        succeed(cluster, &["apply", "-n", &namespace, "-f", path], "").await;
        let again = succeed(cluster, &["apply", "-n", &namespace, "-f", path], "").await;
        // A Secret given as `stringData` is always "configured".
        let mut applied = again.lines().filter(|line| line.starts_with("agentworkerpool"));
        assert!(applied.all(|line| line.ends_with(" unchanged")), "{again}");
        let pools: Api<AgentWorkerPool> = Api::namespaced(cluster.admin(), &namespace);
        for pool in pools.list(&kube::api::ListParams::default()).await.unwrap() {
            Pool::try_from(&pool.spec).unwrap();
        }
    }
}

#[tokio::test]
async fn no_default_and_no_null_is_stored() {
    let cluster = cluster().await;
    let namespace = cluster.namespace("stored").await.unwrap();
    let mut pool = table().pool;
    pool["spec"]["scaling"] = json!({ "maxReplicas": 5, "holdReplicas": null, "startWithin": null });
    pool["spec"]["worker"]["template"]["metadata"] = json!({ "creationTimestamp": null });
    succeed(cluster, &["create", "-n", &namespace, "-f", "-"], &pool.to_string()).await;
    let stored = succeed(cluster, &["get", "awp/refused", "-n", &namespace, "-o", "jsonpath={.spec}"], "").await;
    let mut expected = table().pool["spec"].clone();
    expected["scaling"] = json!({ "maxReplicas": 5 });
    expected["worker"]["template"]["metadata"] = json!({});
    assert_eq!(serde_json::from_str::<Value>(&stored).unwrap(), expected);
}

#[tokio::test]
async fn a_pod_template_pasted_from_kubectl_is_accepted() {
    let cluster = cluster().await;
    let namespace = cluster.namespace("pasted").await.unwrap();
    let args = ["create", "deployment", "agent", "--image=awp:dev", "--port=9464", "--dry-run=client", "-o", "json"];
    let deployment: Value = serde_json::from_str(&succeed(cluster, &args, "").await).unwrap();
    let mut pool = table().pool;
    pool["spec"]["worker"]["template"] = deployment["spec"]["template"].clone();
    succeed(cluster, &["apply", "-n", &namespace, "-f", "-"], &pool.to_string()).await;
}

/// Every list that a rule walks over, as long as the schema allows.
fn widest() -> Value {
    let numbered =
        |n: usize, prefix: &str, length: usize| format!("{prefix}{n:0>width$}", width = length - prefix.len());
    let list = |count: usize, item: &dyn Fn(usize) -> Value| (0..count).map(item).collect::<Value>();
    let container = |kind: &str, n: usize| {
        json!({
            "name": numbered(n, kind, 63),
            "image": "awp:dev",
            "env": list(128, &|n| json!({ "name": numbered(n, "V", 64), "value": "x" })),
            "volumeMounts": list(128, &|n| json!({ "name": numbered(n, "v", 63), "mountPath": numbered(n, "/m", 80) })),
        })
    };
    let texts: serde_json::Map<_, _> = (0..64).map(|n| (numbered(n, "l", 63), "x".into())).collect();
    let mut pool = table().pool;
    pool["metadata"]["name"] = "a".repeat(50).into();
    let worker = &mut pool["spec"]["worker"];
    worker["container"] = numbered(15, "c", 63).into();
    worker["memoryContainer"] = numbered(15, "c", 63).into();
    worker["taskTimeout"] = "10h00059m00059s00999ms".into();
    worker["template"] = json!({
        "metadata": { "labels": texts, "annotations": texts },
        "spec": {
            "containers": list(16, &|n| container("c", n)),
            "initContainers": list(16, &|n| container("i", n)),
            "volumes": list(128, &|n| json!({ "name": numbered(n, "v", 63), "emptyDir": {} })),
            "terminationGracePeriodSeconds": 39_660,
        },
    });
    pool["spec"]["drain"] = json!({ "timeout": "00011h00000m00000s00000ms" });
    let rabbitmq = &mut pool["spec"]["broker"]["rabbitmq"];
    rabbitmq["uri"] = format!("amqp://rabbitmq/{}", "%2F".repeat(255)).into();
    rabbitmq["queues"] = json!(["q".repeat(255)]);
    pool
}

#[tokio::test]
async fn the_widest_pool_fits_into_the_cost_budget_of_the_rules() {
    let cluster = cluster().await;
    let namespace = cluster.namespace("wide").await.unwrap();
    let pools: Api<AgentWorkerPool> = Api::namespaced(cluster.admin(), &namespace);
    let pool: AgentWorkerPool = serde_json::from_value(widest()).unwrap();
    let created = pools.create(&PostParams::default(), &pool).await.unwrap();
    // The transition rules run at an update.
    let mut changed = created;
    changed.spec.worker.status_port = Some(9464);
    pools.replace(&"a".repeat(50), &PostParams::default(), &changed).await.unwrap();
}
