//! The SQS server itself: what the project's tests rely on.

use std::time::Duration;

use awp_testbed::{Sqs, sqs};
use serde_json::json;

#[tokio::test]
async fn messages_are_counted_as_visible_in_flight_and_delayed() {
    let sqs = sqs().await;
    let (url, failed) = sqs.queue("counts").await.unwrap();
    assert!(failed.ends_with("_failed"), "{failed}");
    sqs.send(&url, (0..25).map(|n| n.to_string()), 1).await.unwrap();
    sqs.call("SendMessage", &json!({"QueueUrl": url, "MessageBody": "later", "DelaySeconds": 60})).await.unwrap();
    let taken = sqs.receive(&url, 60).await.unwrap();
    let counts = sqs.counts(&url).await.unwrap();
    assert_eq!((counts.visible, counts.in_flight, counts.delayed), (25 - taken.len() as u64, taken.len() as u64, 1));
    sqs.delete(&url, &taken[0]).await.unwrap();
    assert_eq!(sqs.counts(&url).await.unwrap().total(), 25);
}

#[tokio::test]
async fn a_killed_server_comes_back_empty_on_its_port() {
    let sqs = Sqs::start().await.unwrap();
    let endpoint = sqs.endpoint();
    let (url, _) = sqs.queue("gone").await.unwrap();
    sqs.kill().await.unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(5), sqs.counts(&url)).await.unwrap().is_err());
    sqs.start_again().await.unwrap();
    assert_eq!(sqs.endpoint(), endpoint);
    assert!(sqs.counts(&url).await.unwrap_err().to_string().contains("QueueDoesNotExist"));
    sqs.shut_down().await.unwrap();
}
