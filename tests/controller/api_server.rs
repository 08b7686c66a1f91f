//! The API server goes away.

use std::time::Duration;

use awp_testbed::{ControlPlane, Kwok};

use crate::stage::Stage;

#[tokio::test]
async fn while_the_api_server_is_away_the_last_decision_holds_and_then_work_goes_on() {
    let cluster = ControlPlane::start().await.unwrap();
    let kwok = Kwok::start(&cluster).await.unwrap();
    let stage = Stage::on(&cluster, awp_testbed::rabbitmq().await, "away").await;
    stage.queued("tasks", 8).await;
    stage.apply(&stage.pool("research")).await;
    let pods = stage.running("research", 2).await;

    cluster.stop_api_server().await.unwrap();
    stage.publish("tasks", 8).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    cluster.start_api_server().await.unwrap();
    let grown = stage.running("research", 4).await;
    assert!(pods.iter().all(|pod| grown.contains(pod)), "{pods:?} {grown:?}");
    stage.condition("research", "Ready=True Applied").await;

    // Just a restart, with nothing new: nothing happens.
    let generation = stage.generation("research").await;
    cluster.restart_api_server().await.unwrap();
    let unchanged =
        async || stage.deployment("research").await.is_none_or(|live| live.metadata.generation == Some(generation));
    stage.throughout(Duration::from_secs(10), "a restart scales nothing", unchanged).await;
    // It is the same process that goes on: one start in its log.
    assert_eq!(stage.operator.log().matches("operator starts").count(), 1);
    drop(stage);
    kwok.shut_down().await.unwrap();
    cluster.shut_down().await.unwrap();
}
