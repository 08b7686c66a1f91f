//! Recommend, Paused, and a hold by hand.

use std::time::{Duration, SystemTime};

use crate::stage::Stage;

/// Long enough for several decisions.
const A_WHILE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn recommend_makes_the_deployment_and_leaves_its_size_to_others() {
    let stage = Stage::start("recommend").await;
    stage.queued("tasks", 8).await;
    let pool = stage.pool("research").scaling("mode", "Recommend");
    stage.apply(&pool.clone().scaling("minReplicas", 1)).await;
    stage.running("research", 1).await;
    stage.condition("research", "Ready=True Recommending").await;
    assert_eq!(stage.status("research").await.decision.unwrap().wanted, 2);
    stage.kubectl(&["scale", "deploy/research", "--replicas=5"]).await;
    let five = async || stage.replicas_now("research").await == Some(5);
    stage.throughout(A_WHILE, "5 by hand stay", five).await;

    // The template is still the operator's, at any size.
    stage.apply(&pool.image("example/agent:2")).await;
    stage
        .until("the new image is there", async || {
            let live = stage.deployment("research").await?.spec?.template.spec?;
            (live.containers[0].image.as_deref() == Some("example/agent:2")).then_some(())
        })
        .await;
    assert_eq!(stage.replicas_now("research").await, Some(5));
}

#[tokio::test]
async fn paused_writes_nothing_but_its_own_status_until_it_is_auto_again() {
    let stage = Stage::start("paused").await;
    stage.queued("tasks", 8).await;
    stage.apply(&stage.pool("research")).await;
    stage.running("research", 2).await;
    stage.apply(&stage.pool("research").scaling("mode", "Paused")).await;
    stage.condition("research", "Ready=True Paused").await;
    let since = SystemTime::now();
    stage.publish("tasks", 20).await;
    stage.apply(&stage.pool("research").scaling("mode", "Paused").image("example/agent:2")).await;
    stage.kubectl(&["scale", "deploy/research", "--replicas=1"]).await;
    let one = async || stage.replicas_now("research").await == Some(1);
    stage.throughout(A_WHILE, "1 by hand stays", one).await;
    let others: Vec<_> =
        stage.writes(since).into_iter().filter(|write| write.resource != "agentworkerpools/status").collect();
    assert!(others.is_empty(), "{others:#?}");
    assert_eq!(stage.status("research").await.observed_generation, Some(3));

    stage.kubectl(&["delete", "deploy/research"]).await;
    let none = async || stage.deployment("research").await.is_none();
    stage.throughout(A_WHILE, "not even a deleted Deployment is made anew", none).await;
    stage.apply(&stage.pool("research")).await;
    stage.running("research", 7).await;
    stage.condition("research", "Ready=True Applied").await;
}

#[tokio::test]
async fn a_hold_by_kubectl_scale_is_applied_until_it_is_released() {
    let stage = Stage::start("hold").await;
    stage.queued("tasks", 4).await;
    stage.apply(&stage.pool("research")).await;
    stage.running("research", 1).await;
    stage.kubectl(&["scale", "awp/research", "--replicas=3"]).await;
    stage.running("research", 3).await;
    stage.condition("research", "Ready=True ManualHold").await;
    assert_eq!(stage.status("research").await.decision.unwrap().bound_by, "ManualHold");
    let note = stage.event("research", "HoldStarted").await;
    assert!(note.contains("held at 3 workers") && note.contains("awp release"), "{note}");
    stage.publish("tasks", 36).await;
    let three = async || stage.replicas_now("research").await == Some(3);
    stage.throughout(A_WHILE, "the queue decides nothing during a hold", three).await;

    let released = tokio::process::Command::new(env!("CARGO_BIN_EXE_awp"))
        .args(["release", "research", "-n", &stage.namespace])
        .env("KUBECONFIG", stage.cluster.kubeconfig())
        .output()
        .await
        .unwrap();
    let words = String::from_utf8_lossy(&released.stderr);
    assert!(released.status.success() && words.contains("it was held at 3"), "{words}");
    stage.running("research", 10).await;
    stage.condition("research", "Ready=True Applied").await;
    stage.event("research", "HoldEnded").await;

    // To nothing, by hand.
    stage.purge("tasks").await;
    stage.kubectl(&["scale", "awp/research", "--replicas=0"]).await;
    stage.running("research", 0).await;
    stage.publish("tasks", 4).await;
    let zero = async || stage.replicas_now("research").await == Some(0);
    stage.throughout(A_WHILE, "held at nothing", zero).await;
}
