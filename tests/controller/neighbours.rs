//! Two pools on one queue.

use crate::stage::Stage;

#[tokio::test]
async fn two_pools_on_one_queue_ask_together_for_what_it_needs() {
    let stage = Stage::start("shared").await;
    stage.queue("tasks").await;
    stage.apply(&stage.pool("large").scaling("maxReplicas", 30)).await;
    stage.apply(&stage.pool("small").scaling("maxReplicas", 10)).await;
    let message = stage.condition("large", "QueueShared=True").await;
    assert!(message.contains(&format!("{}/small", stage.namespace)), "{message}");
    stage.condition("small", "QueueShared=True").await;
    stage.event("small", "QueueShared").await;
    stage.publish("tasks", 40).await;
    // By maxReplicas × prefetch: three quarters are 30 tasks, a quarter is 10.
    stage.running("large", 8).await;
    stage.running("small", 3).await;

    stage.kubectl(&["delete", "awp/small"]).await;
    stage.without_condition("large", "QueueShared").await;
    stage.running("large", 10).await;
    stage.event("large", "QueueUnshared").await;
}
