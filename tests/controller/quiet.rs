//! A steady state writes nothing.

use std::time::{Duration, SystemTime};

use crate::stage::Stage;
use crate::worker::Worker;

#[tokio::test]
async fn a_steady_minute_writes_nothing() {
    let stage = Stage::start("quiet").await;
    stage.queue("idle").await;
    stage.queued("busy", 3).await;
    stage.apply(&stage.pool("idle").on_queue("idle").scaling("minReplicas", 1)).await;
    stage.apply(&stage.pool("busy").on_queue("busy").holding(1)).await;
    stage.apply(&stage.pool("waiting").with("spec/broker/rabbitmq/credentials/secretRef/name", "none")).await;
    let mut workers = Vec::new();
    for pod in stage.running("busy", 3).await {
        workers.push(Worker::holding(&stage, "busy", &pod, 1).await);
    }
    stage.running("idle", 1).await;
    stage.condition("waiting", "Ready=False SecretNotFound").await;
    stage
        .until("all three tasks are seen in flight", async || {
            let backlog = stage.status("busy").await.backlog?;
            (backlog.in_flight == Some(3) && backlog.ready == Some(0)).then_some(())
        })
        .await;

    // What was learned from the burst fades; then nothing changes any more.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let since = SystemTime::now();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let writes = stage.writes(since);
    assert!(writes.is_empty(), "{writes:#?}");
    assert_eq!(stage.replicas_now("busy").await, Some(3));
    for worker in &mut workers {
        worker.finish().await;
    }
    stage.running("busy", 0).await;
}
