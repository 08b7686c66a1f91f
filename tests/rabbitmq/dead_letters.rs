//! Where dead letters go, and how many there are.

use awp::brokers::DeadLetterTarget;
use awp_testbed::rabbitmq;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::json;

use crate::support::{BUSY, admin, readers, tasks, watch};

#[tokio::test]
async fn the_target_is_found_from_the_queues_own_arguments() {
    let server = rabbitmq().await;
    let vhost = server.vhost("arguments").await.unwrap();
    server.declare_quorum(&vhost, "dead").await.unwrap();
    let arguments = [
        ("x-queue-type", text("quorum")),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("dead")),
    ];
    server.declare(&vhost, "tasks", &arguments).await.unwrap();
    server.publish(&vhost, "dead", tasks(3)).await.unwrap();
    let readers = readers();
    let watching = watch(&readers, &admin(server, &vhost), "tasks").with(BUSY);
    let target = watching.facts().await.dead_letter.unwrap();
    assert_eq!(published_to(&target), ("", "dead"));
    assert_eq!(target.queue(), Some("dead"));
    watching.known("three dead letters", |counts| counts.dead_letters == Some(3)).await;
}

#[tokio::test]
async fn the_target_is_found_from_a_policy_and_the_bindings_of_its_exchange() {
    let server = rabbitmq().await;
    let vhost = server.vhost("policy").await.unwrap();
    for queue in ["tasks", "failed", "audit"] {
        server.declare_quorum(&vhost, queue).await.unwrap();
    }
    let connection = server.connect(&vhost).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel
        .exchange_declare("agent/dlx".into(), lapin::ExchangeKind::Topic, options, FieldTable::default())
        .await
        .unwrap();
    for (queue, key) in [("failed", "failed.#"), ("audit", "audit.#")] {
        channel
            .queue_bind(
                queue.into(),
                "agent/dlx".into(),
                key.into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap();
    }
    let definition = json!({"dead-letter-exchange": "agent/dlx", "dead-letter-routing-key": "failed.tasks"});
    server.set_policy(&vhost, "dead-letters", "^tasks$", &definition).await.unwrap();
    let readers = readers();
    let watching = watch(&readers, &admin(server, &vhost), "tasks");
    let target = watching.facts().await.dead_letter.unwrap();
    assert_eq!(published_to(&target), ("agent/dlx", "failed.tasks"));
    assert_eq!(target.queue(), Some("failed"));
}

#[tokio::test]
async fn a_queue_without_dead_lettering_says_so() {
    let server = rabbitmq().await;
    let vhost = server.vhost("none").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    server.publish(&vhost, "tasks", tasks(1)).await.unwrap();
    let readers = readers();
    let watching = watch(&readers, &admin(server, &vhost), "tasks");
    assert_eq!(watching.facts().await.dead_letter, None);
    assert_eq!(watching.ready(1).await.dead_letters, None);
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn published_to(target: &DeadLetterTarget) -> (&str, &str) {
    match target {
        DeadLetterTarget::Exchange { exchange, routing_key, .. } => (exchange, routing_key),
        DeadLetterTarget::Queue(queue) => panic!("{queue}"),
    }
}
