//! Queues, exchanges and bindings that a pool declares.

use std::time::Duration;

use serde_json::{Value, json};

use crate::pool::Pool;
use crate::stage::Stage;

/// `examples/pools-by-topic.yaml` as it stands, but for where the broker is and a worker that nobody has to build.
fn example(stage: &Stage<'_>) -> Vec<Pool> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/pools-by-topic.yaml");
    let pools: Vec<Value> = serde_saphyr::from_multiple(&std::fs::read_to_string(file).unwrap()).unwrap();
    let here = |pool| {
        Pool(pool)
            .with("metadata/namespace", stage.namespace.as_str())
            .with("spec/broker/rabbitmq/uri", stage.broker.amqp_uri(&stage.vhost))
            .with("spec/broker/rabbitmq/managementUri", stage.broker.management_uri())
            .with("spec/broker/rabbitmq/credentials/secretRef/name", "broker")
            .image("example/agent:1")
    };
    pools.into_iter().map(here).collect()
}

#[tokio::test]
async fn one_topic_exchange_feeds_three_pools_with_their_kinds_of_task() {
    let stage = Stage::start("topics").await;
    for pool in example(&stage) {
        stage.apply(&pool).await;
    }
    for pool in ["summarizing", "researching", "coding"] {
        stage.condition(pool, "TopologyDeclared=True Declared").await;
        stage.replicas(pool, 0).await;
    }
    for (key, count) in
        [("summarize.article", 1), ("research.market.today", 2), ("research", 1), ("code.fix", 3), ("review.pr", 2)]
    {
        let tasks = (0..count).map(|number| format!("{key} {number}").into_bytes());
        stage.broker.publish_to(&stage.vhost, "agent_tasks", key, tasks).await.unwrap();
    }
    for (pool, tasks) in [("summarizing", 1), ("researching", 3), ("coding", 5)] {
        stage
            .until(&format!("{tasks} tasks of {pool}"), async || {
                let backlog = stage.status(pool).await.backlog?;
                (backlog.ready == Some(tasks) && stage.replicas_now(pool).await? > 0).then_some(())
            })
            .await;
        let config = stage.kubectl(&["get", "configmap", &format!("{pool}-awp"), "-o", "json"]).await;
        let config: Value = serde_json::from_str(&config).unwrap();
        assert_eq!(config["data"]["AWP_DEAD_LETTER_EXCHANGE"], "agent_dlx", "{config}");
        assert_eq!(config["data"]["AWP_DEAD_LETTER_ROUTING_KEY"], "failed_tasks", "{config}");
    }
    assert_eq!(stage.broker.connections(&stage.vhost).await.unwrap(), 1, "the operator's own");
}

#[tokio::test]
async fn a_queue_with_other_arguments_is_said_and_worked_on_as_it_is() {
    let stage = Stage::start("differs").await;
    stage.queued("tasks", 8).await;
    let pool = stage
        .pool("research")
        .with("spec/deadLetter", Value::Null)
        .with("spec/broker/rabbitmq/declare", json!({ "messageTtl": "5m" }));
    stage.apply(&pool).await;
    let message = stage.condition("research", "TopologyDeclared=False QueueDiffers").await;
    assert!(message.contains("x-message-ttl none instead of 300000"), "{message}");
    assert!(message.contains("change the pool's declare.messageTtl"), "{message}");
    stage.event("research", "QueueDiffers").await;
    stage.condition("research", "Ready=True Applied").await;
    stage.running("research", 2).await;

    // Without the wish there is nothing to say.
    stage.apply(&pool.with("spec/broker/rabbitmq/declare", Value::Null)).await;
    stage
        .until("the condition is taken back", async || {
            stage.condition_now("research", "TopologyDeclared").await.is_none().then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_paused_pool_declares_nothing() {
    let stage = Stage::start("paused-wish").await;
    let pool = stage
        .pool("research")
        .with("spec/deadLetter", Value::Null)
        .with("spec/broker/rabbitmq/declare", json!({}))
        .scaling("mode", "Paused");
    stage.apply(&pool).await;
    stage.condition("research", "BacklogKnown=False QueueMissing").await;
    let missing = async || stage.broker.ready(&stage.vhost, "tasks").await.is_err();
    stage.throughout(Duration::from_secs(4), "no queue is made", missing).await;
    stage.apply(&pool.scaling("mode", "Auto")).await;
    stage.condition("research", "TopologyDeclared=True Declared").await;
    stage.condition("research", "BacklogKnown=True Read").await;
}
