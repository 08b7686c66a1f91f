//! The operator is stopped, killed and started again.

use std::time::Duration;

use crate::stage::Stage;
use crate::worker::Worker;

#[tokio::test]
async fn a_restart_or_a_crash_scales_nothing() {
    let stage = Stage::start("restart").await;
    stage.queued("tasks", 14).await;
    stage.apply(&stage.pool("research").holding(2)).await;
    let pods = stage.running("research", 7).await;
    let mut workers = Vec::new();
    for pod in &pods[..3] {
        workers.push(Worker::holding(&stage, "tasks", pod, 2).await);
    }
    let generation = stage.generation("research").await;
    let history = stage.history("research");
    for crash in [false, true] {
        if crash {
            stage.operator.kill().await.unwrap();
        } else {
            stage.operator.stop().await.unwrap();
        }
        stage.operator.start_again().await.unwrap();
        let unchanged = async || stage.generation("research").await == generation;
        stage.throughout(Duration::from_secs(12), "a restart scales nothing", unchanged).await;
        stage.condition("research", "Ready=True Applied").await;
    }
    assert_eq!(history.replicas(), [7]);
    let mut now = stage.pods("research").await.iter().map(|pod| pod.metadata.name.clone().unwrap()).collect::<Vec<_>>();
    now.sort();
    assert_eq!(now, pods);

    // It knows what to do next.
    stage.publish("tasks", 6).await;
    stage.running("research", 10).await;
}

#[tokio::test]
async fn a_crash_in_the_middle_of_a_scale_up_is_finished_by_the_next_life() {
    let stage = Stage::start("crash").await;
    stage.queue("tasks").await;
    stage.apply(&stage.pool("research").holding(1)).await;
    stage.replicas("research", 0).await;
    let history = stage.history("research");
    stage.publish("tasks", 40).await;
    // As soon as anything was written, and before its pods are.
    stage
        .until("the operator begins", async || stage.replicas_now("research").await.filter(|replicas| *replicas > 0))
        .await;
    stage.operator.kill().await.unwrap();
    stage.publish("tasks", 20).await;
    stage.operator.start_again().await.unwrap();
    stage.running("research", 60).await;
    stage.condition("research", "Ready=True Applied").await;
    assert_eq!(history.replicas(), [0, 40, 60]);
}
