//! The Deployment of a pool: what every release must keep as it is, or all workers of all pools restart.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::{Value, json};

use crate::pool::Pool;
use crate::stage::Stage;

/// The Deployment as it stands, without what differs from run to run.
async fn snapshot(stage: &Stage<'_>, pool: &Pool) -> String {
    stage.apply(pool).await;
    stage.replicas(pool.name(), 0).await;
    let mut live = serde_json::to_value(stage.deployment(pool.name()).await.unwrap()).unwrap();
    live["metadata"]["ownerReferences"][0]["uid"] = json!("UID");
    let kept = json!({
        "metadata": { "labels": live["metadata"]["labels"], "ownerReferences": live["metadata"]["ownerReferences"] },
        "spec": live["spec"],
    });
    let text = serde_json::to_string_pretty(&kept).unwrap();
    let text = text.replace(&stage.broker.amqps_uri(&stage.vhost), "AMQPS_URI");
    text.replace(&stage.broker.amqp_uri(&stage.vhost), "AMQP_URI")
}

#[tokio::test]
async fn the_smallest_pool_has_the_whole_worker_contract() {
    let stage = Stage::start("template").await;
    stage.queue("tasks").await;
    let pool = stage
        .pool("smallest")
        .with("spec/prefetch", Value::Null)
        .with("spec/scaling", Value::Null)
        .with("spec/worker/taskTimeout", Value::Null)
        .with("spec/worker/template/spec/terminationGracePeriodSeconds", Value::Null);
    insta::assert_snapshot!(snapshot(&stage, &pool).await);

    let config_maps: Api<ConfigMap> = Api::namespaced(stage.cluster.admin(), &stage.namespace);
    let data = config_maps.get("smallest-awp").await.unwrap().data.unwrap();
    assert_eq!(
        json!(data),
        json!({
            "AWP_PREFETCH": "4",
            "AWP_DEAD_LETTER_EXCHANGE": "",
            "AWP_DEAD_LETTER_ROUTING_KEY": "failed",
        })
    );
}

#[tokio::test]
async fn what_the_user_wrote_stays_beside_the_worker_contract() {
    let stage = Stage::start("template").await;
    stage.queue("tasks").await;
    stage
        .manifest(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "ca", "namespace": stage.namespace },
            "stringData": { "ca.crt": stage.broker.ca_pem() },
        }))
        .await;
    let pool = stage
        .pool("everything")
        .with("spec/broker/rabbitmq/uri", stage.broker.amqps_uri(&stage.vhost))
        .with("spec/broker/rabbitmq/managementUri", Value::Null)
        .with("spec/broker/rabbitmq/tls", json!({ "secretRef": { "name": "ca" } }))
        .with(
            "spec/worker/credentials",
            json!({ "secretRef": { "name": "worker-login", "usernameKey": "user", "passwordKey": "pass" } }),
        )
        .with("spec/worker/container", "agent")
        .with("spec/worker/statusPort", 9464)
        .with("spec/worker/taskTimeout", "20m")
        .with("spec/drain", json!({ "timeout": "25m" }))
        .with(
            "spec/worker/template/metadata",
            json!({
                "labels": { "team": "research" },
                "annotations": { "karpenter.sh/do-not-disrupt": "false", "prometheus.io/scrape": "true" },
            }),
        )
        .with("spec/worker/template/spec/terminationGracePeriodSeconds", Value::Null)
        .with("spec/worker/template/spec/volumes", json!([{ "name": "scratch", "emptyDir": {} }]))
        .with(
            "spec/worker/template/spec/containers",
            json!([
                { "name": "cache", "image": "redis:8", "resources": { "limits": { "memory": "128Mi" } } },
                {
                    "name": "agent",
                    "image": "example/agent:1",
                    "env": [{ "name": "MODEL", "value": "small" }, { "name": "QUEUE", "value": "$(AWP_QUEUE)" }],
                    "volumeMounts": [{ "name": "scratch", "mountPath": "/scratch" }],
                    "resources": { "limits": { "memory": "2Gi" } },
                },
            ]),
        );
    insta::assert_snapshot!(snapshot(&stage, &pool).await);
}
