//! The broker goes away.

use std::time::Duration;

use awp_testbed::RabbitMq;
use awp_testbed::rabbitmq::Options;
use serde_json::json;

use crate::stage::{Stage, cluster};
use crate::worker::Worker;

#[tokio::test]
async fn while_the_broker_is_away_workers_stay_and_the_fallback_only_raises() {
    let broker = RabbitMq::start(Options::default()).await.unwrap();
    let stage = Stage::on(cluster().await, &broker, "outage").await;
    let fallback = |replicas: u32| json!({ "after": "15s", "replicas": replicas });
    stage.queued("tasks", 12).await;
    stage.queued("more", 12).await;
    stage.queued("less", 12).await;
    stage.apply(&stage.pool("plain")).await;
    stage.apply(&stage.pool("raised").on_queue("more").scaling("fallback", fallback(5))).await;
    stage.apply(&stage.pool("enough").on_queue("less").scaling("fallback", fallback(1))).await;
    let mut busy = Vec::new();
    for (pool, queue) in [("plain", "tasks"), ("raised", "more"), ("enough", "less")] {
        for pod in stage.running(pool, 3).await {
            busy.push(Worker::holding(&stage, queue, &pod, 4).await);
        }
    }
    let histories = [stage.history("plain"), stage.history("enough")];

    broker.stop().await.unwrap();
    for pool in ["plain", "raised", "enough"] {
        let message = stage.condition(pool, "BacklogKnown=False BrokerUnreachable").await;
        assert!(message.contains("cannot reach 127.0.0.1:"), "{message}");
        assert_eq!(stage.condition_now(pool, "Ready").await.unwrap().status, "True");
    }
    stage.running("raised", 5).await;
    stage.event("raised", "FallbackStarted").await;
    assert_eq!(stage.condition_now("raised", "Ready").await.unwrap().status, "True");
    tokio::time::sleep(Duration::from_secs(5)).await;
    for history in &histories {
        assert_eq!(history.replicas(), [3], "{}", stage.story());
    }

    // Nobody is blind because of an outage.
    for event in stage.events().await {
        assert_ne!(event.reason.as_deref(), Some("ScaleDownBlind"), "{event:?}\n{}", stage.story());
    }

    broker.start_again().await.unwrap();
    for pool in ["plain", "raised", "enough"] {
        stage.condition(pool, "BacklogKnown=True Read").await;
    }
    stage.event("raised", "FallbackEnded").await;
    stage.running("raised", 3).await;
    for history in &histories {
        assert_eq!(history.replicas(), [3], "{}", stage.story());
    }
    drop(stage);
    broker.shut_down().await.unwrap();
}

/// A broker that takes connections and never says a word.
#[tokio::test]
async fn a_silent_broker_delays_no_other_pool() {
    let stage = Stage::start("silent").await;
    let hole = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("amqp://{}/x", hole.local_addr().unwrap());
    for number in 0..5 {
        let pool = stage.pool(&format!("stuck-{number}")).with("spec/broker/rabbitmq/uri", uri.clone());
        stage.apply(&pool.with("spec/broker/rabbitmq/managementUri", serde_json::Value::Null)).await;
    }
    stage.queue("tasks").await;
    stage.apply(&stage.pool("healthy")).await;
    stage.condition("healthy", "Ready=True Applied").await;
    stage.condition("stuck-0", "BacklogKnown=False BrokerUnreachable").await;
    stage.publish("tasks", 8).await;
    let published = std::time::Instant::now();
    stage.replicas("healthy", 2).await;
    let took = published.elapsed();
    assert!(took < Duration::from_secs(5), "reaction took {took:?}");
    assert_eq!(stage.condition_now("stuck-0", "Ready").await.unwrap().status, "True");
}
