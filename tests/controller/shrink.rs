//! To fewer workers, and to none.

use std::time::Duration;

use serde_json::Value;

use crate::stage::Stage;
use crate::worker::Worker;

#[tokio::test]
async fn idle_workers_go_after_the_window_and_the_busy_one_stays() {
    let stage = Stage::start("shrink").await;
    stage.queued("tasks", 12).await;
    stage.apply(&stage.pool("research").scaling("scaleDownWindow", "8s")).await;
    let pods = stage.running("research", 3).await;
    // In the middle, so that neither the oldest nor the youngest stays by chance.
    let mut busy = Worker::holding(&stage, "tasks", &pods[1], 1).await;
    stage.purge("tasks").await;
    let emptied = std::time::Instant::now();
    let left = stage.running("research", 1).await;
    assert!(emptied.elapsed() > Duration::from_secs(7), "before the window: {:?}", emptied.elapsed());
    assert_eq!(left, [pods[1].clone()]);
    let stays = async || stage.replicas_now("research").await == Some(1);
    stage.throughout(Duration::from_secs(12), "the busy worker stays", stays).await;

    busy.finish().await;
    stage.running("research", 0).await;
    assert!(stage.event("research", "ScaledDown").await.contains("workers: "));
    stage.condition("research", "Ready=True Applied").await;
}

#[tokio::test]
async fn where_nothing_tells_who_is_busy_a_pool_grows_and_never_shrinks() {
    let stage = Stage::start("blind").await;
    stage.queued("tasks", 12).await;
    let pool = stage.pool("research").with("spec/broker/rabbitmq/managementUri", Value::Null);
    stage.apply(&pool.clone().scaling("maxReplicas", 3)).await;
    let mut workers = Vec::new();
    for pod in stage.running("research", 3).await {
        workers.push(Worker::holding(&stage, "tasks", &pod, 4).await);
    }
    for worker in &mut workers {
        worker.finish().await;
    }
    stage.apply(&pool).await;
    let message = stage.condition("research", "ScaleDownBlind=True").await;
    assert!(message.contains("set worker.statusPort") && message.contains("managementUri"), "{message}");
    stage.event("research", "ScaleDownBlind").await;
    let three = async || stage.replicas_now("research").await == Some(3);
    stage.throughout(Duration::from_secs(10), "nobody goes", three).await;
    stage.publish("tasks", 16).await;
    stage.until("the pool still grows", async || stage.replicas_now("research").await.filter(|count| *count > 3)).await;
}
