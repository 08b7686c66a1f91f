//! What admission cannot see: said with the remedy, and no replica is touched.

use std::time::Duration;

use serde_json::{Value, json};

use crate::stage::Stage;

/// A value that must be in nothing a stranger can read.
const PLANTED: &str = "planted-value-0815";

/// Whether the planted value stands in a status, an event or the log.
async fn leaks(stage: &Stage<'_>) -> Option<&'static str> {
    let pools = stage.pools().list(&kube::api::ListParams::default()).await.unwrap().items;
    let statuses: Vec<_> = pools.into_iter().map(|pool| pool.status).collect();
    if json!(statuses).to_string().contains(PLANTED) {
        return Some("status");
    }
    if json!(stage.events().await).to_string().contains(PLANTED) {
        return Some("events");
    }
    stage.operator.log().contains(PLANTED).then_some("log")
}

#[tokio::test]
async fn a_template_that_the_api_server_refuses_is_said_without_its_values() {
    let stage = Stage::start("invalid").await;
    stage.queued("tasks", 12).await;
    let secret = json!([{ "name": "TOKEN", "value": PLANTED }]);
    let pool = stage.pool("research").container("env", secret);
    stage.apply(&pool).await;
    stage.running("research", 3).await;
    let generation = stage.generation("research").await;

    // What a Deployment's validation refuses and the pool's schema lets pass.
    let policy = pool.clone().container("imagePullPolicy", PLANTED);
    stage.apply(&policy).await;
    let message = stage.condition("research", "Ready=False TemplateInvalid").await;
    assert!(message.contains("spec.template.spec.containers[0].imagePullPolicy"), "{message}");
    stage.condition("research", "Stalled=True TemplateInvalid").await;
    stage.event("research", "TemplateInvalid").await;
    let unchanged = async || stage.generation("research").await == generation;
    stage.throughout(Duration::from_secs(4), "workers stay as they are", unchanged).await;

    // A volume that refers to nothing.
    stage.apply(&pool.clone().container("volumeMounts", json!([{ "name": "nowhere", "mountPath": "/x" }]))).await;
    stage
        .until("the message names the mount", async || {
            let said = stage.condition_now("research", "Ready").await?;
            said.message.contains("volumeMounts[0].name").then_some(())
        })
        .await;

    stage.apply(&pool.image("example/agent:2")).await;
    stage.condition("research", "Ready=True").await;
    stage.without_condition("research", "Stalled").await;
    stage.running("research", 3).await;
    assert_eq!(leaks(&stage).await, None);
}

#[tokio::test]
async fn memory_that_holds_no_task_is_refused_with_the_number_that_would_do() {
    let stage = Stage::start("memory").await;
    stage.queued("tasks", 12).await;
    let limit = |limit: &str| {
        let pool = stage.pool("research").with("spec/prefetch", Value::Null);
        pool.container("resources", json!({ "limits": { "memory": limit } }))
    };
    stage.apply(&limit("512Mi")).await;
    let message = stage.condition("research", "Ready=False MemoryTooSmall").await;
    assert!(message.contains("memory limit of 512Mi") && message.contains("raise it to 695Mi"), "{message}");
    assert!(stage.deployment("research").await.is_none());
    stage.apply(&limit("695Mi")).await;
    stage.running("research", 12).await;

    // No limit at all: one task a worker, and that is said.
    stage.queued("other", 3).await;
    let none = stage.pool("unlimited").with("spec/prefetch", Value::Null).on_queue("other");
    stage.apply(&none.container("resources", Value::Null)).await;
    let message = stage.condition("unlimited", "MemoryLimitMissing=True").await;
    assert!(message.contains("set resources.limits.memory"), "{message}");
    stage.running("unlimited", 3).await;
    assert_eq!(stage.status("unlimited").await.prefetch, Some(1));
}

#[tokio::test]
async fn a_quota_that_refuses_pods_is_said_and_no_more_are_asked_for() {
    let stage = Stage::start("quota").await;
    stage.queue("tasks").await;
    stage
        .manifest(&json!({
            "apiVersion": "v1", "kind": "ResourceQuota",
            "metadata": { "name": "pods", "namespace": stage.namespace }, "spec": { "hard": { "pods": "3" } },
        }))
        .await;
    stage.apply(&stage.pool("research").holding(1)).await;
    stage.replicas("research", 0).await;
    let history = stage.history("research");
    stage.publish("tasks", 10).await;
    let message = stage.condition("research", "ScalingLimited=True").await;
    assert!(message.starts_with("Cluster keeps the pool at 3 of 10 workers"), "{message}");
    stage.publish("tasks", 10).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(history.replicas().iter().all(|asked| *asked <= 10), "{:?}", history.replicas());
    assert_eq!(stage.pods("research").await.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).count(), 3);

    // More room, and the pool grows by itself.
    stage.kubectl(&["delete", "resourcequota/pods"]).await;
    stage.running("research", 20).await;
    stage.without_condition("research", "ScalingLimited").await;
}
