//! The caps of the spec.

use crate::stage::Stage;

#[tokio::test]
async fn replicas_memory_and_concurrency_are_bounded_and_the_bound_is_named() {
    let stage = Stage::start("bounds").await;
    // (field, value, workers, bound); every worker holds 4 tasks and has 2Gi.
    let cases = [
        ("maxReplicas", serde_json::json!(3), 3, "MaxReplicas"),
        ("maxMemory", serde_json::json!("9Gi"), 4, "MaxMemory"),
        ("maxConcurrency", serde_json::json!(10), 2, "MaxConcurrency"),
        ("minReplicas", serde_json::json!(12), 12, "MinReplicas"),
    ];
    for (field, value, _, _) in &cases {
        let name = field.to_lowercase();
        stage.queued(&name, 40).await;
        stage.apply(&stage.pool(&name).on_queue(&name).scaling(field, value.clone())).await;
    }
    for (field, _, workers, bound) in cases {
        let name = field.to_lowercase();
        stage.running(&name, workers).await;
        stage
            .until(&format!("{name} is bound by {bound}"), async || {
                let decision = stage.status(&name).await.decision?;
                (decision.bound_by == bound && decision.wanted == 10).then_some(())
            })
            .await;
        if field != "minReplicas" {
            let message = stage.condition(&name, "ScalingLimited=True").await;
            assert_eq!(message, format!("{bound} keeps the pool at {workers} of 10 workers"));
        }
        stage.condition(&name, "Ready=True Applied").await;
    }
}
