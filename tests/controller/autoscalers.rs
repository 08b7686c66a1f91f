//! Who else is at the Deployment.

use std::time::Duration;

use kube::ResourceExt;
use serde_json::json;

use crate::stage::Stage;

const A_WHILE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_foreign_deployment_of_the_pools_name_is_refused_and_untouched() {
    let stage = Stage::start("taken").await;
    stage.queued("tasks", 12).await;
    stage.foreign_deployment("research", 1).await;
    let before = stage.deployment("research").await.unwrap().metadata;
    stage.apply(&stage.pool("research")).await;
    let message = stage.condition("research", "Ready=False NameTaken").await;
    assert!(message.contains("worker.targetRef"), "{message}");
    stage.condition("research", "Stalled=True NameTaken").await;
    tokio::time::sleep(A_WHILE).await;
    let after = stage.deployment("research").await.unwrap();
    assert_eq!((&after.metadata.uid, after.metadata.generation), (&before.uid, before.generation));
    assert!(after.owner_references().is_empty() && !after.labels().contains_key("agentworkers.io/pool"));

    // Its owner gives the name away.
    stage.kubectl(&["delete", "deploy/research"]).await;
    stage.running("research", 3).await;
    stage.condition("research", "Ready=True Applied").await;
    stage.without_condition("research", "Stalled").await;
}

#[tokio::test]
async fn a_foreign_config_map_of_the_pools_name_is_refused_and_untouched() {
    let stage = Stage::start("map").await;
    stage.queued("tasks", 12).await;
    stage.kubectl(&["create", "configmap", "research-awp", "--from-literal=AWP_PREFETCH=77"]).await;
    stage.apply(&stage.pool("research")).await;
    let message = stage.condition("research", "Ready=False NameTaken").await;
    assert!(message.contains("ConfigMap research-awp"), "{message}");
    let shown = "jsonpath={.data.AWP_PREFETCH}{.metadata.ownerReferences}";
    assert_eq!(stage.kubectl(&["get", "configmap", "research-awp", "-o", shown]).await, "77");
    assert!(stage.deployment("research").await.is_none());
    stage.kubectl(&["delete", "configmap", "research-awp"]).await;
    stage.condition("research", "Ready=True Applied").await;
}

#[tokio::test]
async fn of_a_target_only_the_scale_is_written_and_it_outlives_the_pool() {
    let stage = Stage::start("target").await;
    stage.queued("tasks", 12).await;
    stage.apply(&stage.pool("research").targeting("agents")).await;
    stage.condition("research", "Ready=False TargetNotFound").await;
    stage.condition("research", "Reconciling=True TargetNotFound").await;
    stage.foreign_deployment("agents", 1).await;
    stage.running("agents", 3).await;
    stage.condition("research", "Ready=True Applied").await;
    let status = stage.status("research").await;
    assert_eq!((status.replicas, status.selector.as_deref()), (Some(3), Some("app=agents")));
    let managers = stage.managers("agents").await;
    assert!(managers.contains("awp/scale") && !managers.contains("awp"), "{managers:?}");
    let writes = stage.writes(std::time::UNIX_EPOCH);
    let on_deployments: Vec<_> = writes.iter().filter(|write| write.resource.starts_with("deployments")).collect();
    assert!(on_deployments.iter().all(|write| write.resource == "deployments/scale"), "{on_deployments:#?}");

    stage.purge("tasks").await;
    stage.running("agents", 0).await;
    stage.publish("tasks", 4).await;
    stage.running("agents", 1).await;
    stage.kubectl(&["delete", "awp/research"]).await;
    let stays = async || stage.replicas_now("agents").await == Some(1);
    stage.throughout(A_WHILE, "the target stays", stays).await;
}

#[tokio::test]
async fn of_two_pools_on_one_target_the_older_works() {
    let stage = Stage::start("rivals").await;
    stage.queued("tasks", 12).await;
    stage.foreign_deployment("agents", 1).await;
    stage.apply(&stage.pool("zebra").targeting("agents")).await;
    stage.running("agents", 3).await;
    // Ages are told apart by the second.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    stage.queued("other", 40).await;
    stage.apply(&stage.pool("ape").targeting("agents").on_queue("other")).await;
    let message = stage.condition("ape", "Ready=False TargetTaken").await;
    assert!(message.contains("pool zebra was first to target Deployment agents"), "{message}");
    let three = async || stage.replicas_now("agents").await == Some(3);
    stage.throughout(A_WHILE, "the younger scales nothing", three).await;
    stage.kubectl(&["delete", "awp/zebra"]).await;
    stage.running("agents", 10).await;
    stage.condition("ape", "Ready=True Applied").await;
}

#[tokio::test]
async fn with_another_autoscaler_on_the_deployment_replicas_are_left_to_it() {
    let stage = Stage::start("hpa").await;
    stage.queue("tasks").await;
    stage.foreign_deployment("agents", 2).await;
    stage
        .manifest(&json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": { "name": "keda-hpa-agents", "namespace": stage.namespace,
                "labels": { "scaledobject.keda.sh/name": "agents" } },
            "spec": {
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "agents" },
                "minReplicas": 1, "maxReplicas": 5,
                "metrics": [{ "type": "Resource", "resource": { "name": "cpu",
                    "target": { "type": "Utilization", "averageUtilization": 80 } } }],
            },
        }))
        .await;
    stage.apply(&stage.pool("research").targeting("agents")).await;
    let message = stage.condition("research", "Ready=False AutoscalerPresent").await;
    assert!(message.contains("keda-hpa-agents of KEDA's ScaledObject agents"), "{message}");
    stage.publish("tasks", 40).await;
    let two = async || stage.replicas_now("agents").await == Some(2);
    stage.throughout(A_WHILE, "replicas are left to the other", two).await;
    stage.kubectl(&["delete", "hpa/keda-hpa-agents"]).await;
    stage.running("agents", 10).await;
    stage.condition("research", "Ready=True Applied").await;
}
