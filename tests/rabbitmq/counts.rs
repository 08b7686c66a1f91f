//! Ready and unacked, and what is believed of them.

use std::time::Duration;

use awp::scaling::observation::{ErrorClass, QueueReading};
use awp_testbed::rabbitmq;

use crate::support::{BUSY, Worker, admin, amqp_only, readers, tasks, watch};

#[tokio::test]
async fn ready_and_unacked_of_a_quorum_and_a_classic_queue_are_read() {
    let server = rabbitmq().await;
    let vhost = server.vhost("counts").await.unwrap();
    server.declare_quorum(&vhost, "quorum").await.unwrap();
    server.declare_classic(&vhost, "classic").await.unwrap();
    let readers = readers();
    for (queue, queue_type) in [("quorum", "quorum"), ("classic", "classic")] {
        server.publish(&vhost, queue, tasks(7)).await.unwrap();
        let mut worker = Worker::holding(server, &vhost, queue, "pod-a", 3).await;
        let watching = watch(&readers, &admin(server, &vhost), queue).with(BUSY);
        let counts = watching.unacked(3).await;
        assert_eq!(counts.ready, 4, "{queue}");
        assert_eq!(watching.facts().await.queue_type.as_deref(), Some(queue_type));
        worker.finish_all().await;
        // The prefetch lets the next three out.
        watching.known("one left", |counts| counts.ready == 1).await;
        watching.unacked(3).await;
    }
}

#[tokio::test]
async fn a_burst_wakes_within_the_period_and_an_unchanged_queue_wakes_nobody() {
    let server = rabbitmq().await;
    let vhost = server.vhost("wake").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    let readers = readers();
    let watching = watch(&readers, &admin(server, &vhost), "tasks");
    let before = watching.ready(0).await;
    // Forget the wake-ups of the beginning, and let facts settle.
    watching.facts().await;
    while tokio::time::timeout(Duration::from_secs(3), watching.wake.notified()).await.is_ok() {}
    let later = watching.known("a fresher reading", |counts| counts.at.since(before.at) > 1.0).await;
    assert_eq!(later.ready, 0);
    let quiet = tokio::time::timeout(Duration::from_secs(5), watching.wake.notified()).await;
    assert!(quiet.is_err(), "woken without a change: {:?}", watching.subscription.latest());

    server.publish(&vhost, "tasks", tasks(5)).await.unwrap();
    watching.wake.notified().await;
    watching.ready(5).await;
}

#[tokio::test]
async fn an_empty_queue_is_not_believed_at_the_first_look() {
    let server = rabbitmq().await;
    let vhost = server.vhost("empty").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    let readers = readers();
    let watching = watch(&readers, &admin(server, &vhost), "tasks");
    let first = watching.until("a first reading", |_| true).await;
    let QueueReading::Unknown(why) = first else { panic!("believed at once: {first:?}") };
    assert_eq!((why.class, why.reason), (ErrorClass::Doubtful, "EmptyUnconfirmed"));
    assert_eq!(watching.ready(0).await.ready, 0);
}

#[tokio::test]
async fn an_empty_queue_without_consumers_while_workers_are_up_takes_a_list() {
    let server = rabbitmq().await;
    let vhost = server.vhost("doubt").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    let readers = readers();
    let blind = watch(&readers, &amqp_only(server, &vhost), "tasks").with(BUSY);
    let why = blind.unknown("EmptyWithoutConsumers").await;
    assert_eq!(why.class, ErrorClass::Doubtful);
    assert!(why.message.contains("managementUri"), "{why}");
    let seeing = watch(&readers, &admin(server, &vhost), "tasks").with(BUSY);
    seeing.ready(0).await;
    // A consumer's count comes from the leader: then the zero is one.
    let _worker = Worker::holding(server, &vhost, "tasks", "pod-a", 0).await;
    blind.ready(0).await;
}

#[tokio::test]
async fn a_single_active_consumer_is_seen() {
    let server = rabbitmq().await;
    let vhost = server.vhost("single").await.unwrap();
    let single =
        [("x-queue-type", lapin_text("quorum")), ("x-single-active-consumer", lapin::types::AMQPValue::Boolean(true))];
    server.declare(&vhost, "tasks", &single).await.unwrap();
    server.publish(&vhost, "tasks", tasks(1)).await.unwrap();
    let readers = readers();
    let watching = watch(&readers, &admin(server, &vhost), "tasks");
    watching.known("a single active consumer", |counts| counts.single_active_consumer).await;
}

fn lapin_text(text: &str) -> lapin::types::AMQPValue {
    lapin::types::AMQPValue::LongString(text.into())
}
