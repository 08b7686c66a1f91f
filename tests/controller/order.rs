//! GitOps applies things in any order, and rotates passwords.

use std::time::Duration;

use crate::stage::Stage;

#[tokio::test]
async fn pool_secret_and_queue_may_come_in_any_order() {
    let stage = Stage::start("order").await;
    let pool = stage.pool("research").with("spec/broker/rabbitmq/credentials/secretRef/name", "later");
    stage.apply(&pool).await;
    let message = stage.condition("research", "Ready=False SecretNotFound").await;
    assert!(message.contains("create it with the keys username and password"), "{message}");
    stage.condition("research", "Reconciling=True SecretNotFound").await;
    assert!(stage.condition_now("research", "Stalled").await.is_none());
    assert!(stage.deployment("research").await.is_none());

    stage.secret("later", crate::stage::PASSWORD).await;
    stage.condition("research", "Ready=False QueueMissing").await;
    stage.condition("research", "Reconciling=True QueueMissing").await;
    stage.queued("tasks", 9).await;
    stage.running("research", 3).await;
    stage.condition("research", "Ready=True Applied").await;
    stage.without_condition("research", "Reconciling").await;
    assert!(stage.event("research", "SecretNotFound").await.contains("Secret later"));
    stage.event("research", "QueueMissing").await;
}

#[tokio::test]
async fn a_rotated_password_is_followed_and_scales_nothing() {
    let stage = Stage::start("rotation").await;
    stage.queued("tasks", 9).await;
    stage.apply(&stage.pool("research")).await;
    stage.running("research", 3).await;
    let generation = stage.generation("research").await;
    let history = stage.history("research");

    stage.broker.set_password(&stage.vhost, "another-password-0815").await.unwrap();
    stage.broker.close_connections(&stage.vhost).await.unwrap();
    let message = stage.condition("research", "BacklogKnown=False LoginRefused").await;
    assert!(message.contains("check user name and password"), "{message}");
    stage.secret("broker", "another-password-0815").await;
    let known = async || stage.condition_now("research", "BacklogKnown").await.filter(|one| one.status == "True");
    stage.within(Duration::from_secs(20), "the queue is read with the new password", known).await;
    stage.condition("research", "Ready=True Applied").await;
    assert_eq!(history.replicas(), [3]);
    assert_eq!(stage.generation("research").await, generation);
    assert!(!stage.operator.log().contains("another-password-0815"));

    stage.publish("tasks", 8).await;
    stage.running("research", 5).await;
}
