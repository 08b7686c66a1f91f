//! What is counted, where dead letters go, and what kind of queue it is.

use awp::brokers::DeadLetterTarget;
use awp_testbed::sqs;
use serde_json::json;

use crate::support::{BUSY, bodies, readers, watch};

#[tokio::test]
async fn visible_messages_wait_and_received_ones_are_in_flight() {
    let sqs = sqs().await;
    let (queue, _) = sqs.queue("counted").await.unwrap();
    sqs.send(&queue, bodies(25), 1).await.unwrap();
    let readers = readers();
    let watching = watch(&readers, &sqs.endpoint(), &queue).with(BUSY);
    watching.known("25 waiting", |counts| counts.ready == 25).await;
    let taken = sqs.receive(&queue, 300).await.unwrap().len() as u64;
    let seen = watching.known("some in flight", |counts| counts.unacked.is_some_and(|seen| seen.count == taken)).await;
    assert_eq!((seen.ready, seen.unsettled, seen.message_groups), (25 - taken, false, false));
}

#[tokio::test]
async fn a_few_messages_are_believed_at_the_second_look_and_wake_the_pool_once() {
    let sqs = sqs().await;
    let (queue, _) = sqs.queue("few").await.unwrap();
    sqs.send(&queue, bodies(2), 1).await.unwrap();
    let readers = readers();
    let watching = watch(&readers, &sqs.endpoint(), &queue);
    watching.known("two waiting", |counts| counts.ready == 2).await;
    tokio::time::timeout(std::time::Duration::from_secs(1), watching.wake.notified()).await.unwrap();
}

#[tokio::test]
async fn delayed_messages_are_no_waiting_tasks_and_keep_the_queue_unsettled() {
    let sqs = sqs().await;
    let (queue, _) = sqs.queue("delayed").await.unwrap();
    let delayed = json!({"QueueUrl": queue, "MessageBody": "later", "DelaySeconds": 600});
    sqs.call("SendMessage", &delayed).await.unwrap();
    let readers = readers();
    let watching = watch(&readers, &sqs.endpoint(), &queue).with(BUSY);
    let counts = watching.known("a look", |_| true).await;
    assert_eq!((counts.ready, counts.unsettled), (0, true));
}

#[tokio::test]
async fn the_redrive_policy_tells_where_dead_letters_go_and_how_many_there_are() {
    let sqs = sqs().await;
    let (queue, failed) = sqs.queue("dead").await.unwrap();
    sqs.send(&failed, bodies(3), 1).await.unwrap();
    let readers = readers();
    let watching = watch(&readers, &sqs.endpoint(), &queue).with(BUSY);
    let facts = watching.facts().await;
    assert_eq!(facts.dead_letter, Some(DeadLetterTarget::Queue(failed)));
    assert_eq!(facts.queue_type.as_deref(), Some("standard"));
    watching.known("their number", |counts| counts.dead_letters == Some(3)).await;
}

#[tokio::test]
async fn a_queue_without_a_redrive_policy_has_no_dead_letter_target_and_fifo_is_told_by_the_name() {
    let sqs = sqs().await;
    let queue = sqs.fifo("ordered").await.unwrap();
    sqs.send(&queue, bodies(20), 2).await.unwrap();
    let readers = readers();
    let watching = watch(&readers, &sqs.endpoint(), &queue);
    let counts = watching.known("twenty", |counts| counts.ready == 20).await;
    assert!(counts.message_groups);
    let facts = watching.facts().await;
    assert_eq!((facts.dead_letter, facts.queue_type.as_deref()), (None, Some("fifo")));
}
