//! `awp publish` to SQS.

use serde_json::Value;

use crate::bench::Bench;

fn attribute<'a>(message: &'a Value, name: &str) -> Option<&'a str> {
    message["MessageAttributes"][name]["StringValue"].as_str()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_task_is_on_the_queue_with_its_id_and_type_as_attributes() {
    let bench = Bench::new("published", "").await;
    let lines = "{\"id\": \"t1\", \"type\": \"review\", \"body\": {\"pr\": 7}}\n{\"n\": 2}\n";
    let output = bench.publish(&["--file", "-"], lines).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2);
    let messages = bench.sqs.receive(&bench.queue, 30).await.unwrap();
    let first = messages.iter().find(|message| attribute(message, "awp-task-id") == Some("t1")).unwrap();
    assert_eq!((attribute(first, "awp-task-type"), first["Body"].as_str()), (Some("review"), Some("{\"pr\":7}")));
    assert_eq!(attribute(first, "content-type"), Some("application/json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tasks_go_in_batches_and_all_are_confirmed() {
    let bench = Bench::new("many", "").await;
    assert_eq!(bench.published(&["--durations", "1,2", "--count", "95"]).await.len(), 95);
    assert_eq!(bench.sqs.counts(&bench.queue).await.unwrap().visible, 95);
    let again = bench.publish(&["--declare"], "").await;
    assert!(again.status.success(), "declaring twice changes nothing: {again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_too_large_is_refused_and_the_others_are_sent() {
    let bench = Bench::new("large", "").await;
    let large = "x".repeat(1_100_000);
    let output = bench.publish(&["--file", "-"], &format!("1\n\"{large}\"\n2\n")).await;
    assert!(!output.status.success());
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("2 confirmed, not confirmed: 1 refused"), "{words}");
    assert!(!words.contains("xxx"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_queue_is_told_with_the_remedy() {
    let bench = Bench::new("gone", "").await;
    bench.sqs.delete_queue(&bench.queue).await.unwrap();
    let output = bench.publish(&["1"], "").await;
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && words.contains("make it with --declare"), "{words}");
    assert!(!words.contains("hunter2"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_of_one_group_keep_their_order_in_a_fifo_queue() {
    let bench = Bench::new("ordered", ".fifo").await;
    bench.published(&["--group-id", "user-1", "1", "2", "3"]).await;
    let messages = bench.sqs.receive(&bench.queue, 30).await.unwrap();
    let bodies: Vec<_> = messages.iter().map(|message| message["Body"].as_str().unwrap()).collect();
    assert_eq!(bodies, ["1", "2", "3"]);
    assert!(messages.iter().all(|message| message["Attributes"]["MessageGroupId"] == "user-1"));
}
