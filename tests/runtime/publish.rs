//! `awp publish`.

use std::process::Output;
use std::time::{Duration, Instant};

use lapin::types::AMQPValue;

use crate::bench::{Bench, FAILED, QUEUE, header, id};

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn ids(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout).lines().map(Into::into).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_arrive_persistent_and_described() {
    let bench = Bench::new("describe").await;
    let lines = r#"{"id":"t1","type":"review","priority":3,"body":{"pr":7}}

        {"topic": "ants"}"#;
    let output = bench.publish_input(&["--file", "-"], lines).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(ids(&output)[0], "t1");
    bench.published(&["hello", "[1, 2]"]).await;

    let messages = bench.take(QUEUE, 4).await;
    let mut found: Vec<_> = messages
        .iter()
        .map(|m| {
            let properties = &m.properties;
            assert_eq!(properties.delivery_mode(), &Some(2));
            (String::from_utf8_lossy(&m.data).into_owned(), properties.content_type().clone().unwrap().to_string())
        })
        .collect();
    found.sort();
    let json = || "application/json".to_owned();
    assert_eq!(
        found,
        [
            ("[1, 2]".to_owned(), json()),
            ("hello".to_owned(), "text/plain; charset=utf-8".to_owned()),
            (r#"{"pr":7}"#.to_owned(), json()),
            (r#"{"topic": "ants"}"#.to_owned(), json()),
        ]
    );
    let review = messages.iter().find(|m| id(m) == "t1").unwrap();
    assert_eq!(header(review, "awp-task-type").as_deref(), Some("review"));
    assert_eq!(review.properties.priority(), &Some(3));
    assert_eq!(ids(&output)[1].len(), 36, "a generated id");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_line_publishes_nothing() {
    let bench = Bench::new("wrong-line").await;
    let output = bench.publish_input(&["--file", "-"], "{}\n{\n").await;
    assert!(!output.status.success());
    assert!(stderr(&output).contains("line 2: it is not JSON"), "{output:?}");
    assert_eq!(bench.counts().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_queue_nothing_counts_as_published() {
    let bench = Bench::empty(awp_testbed::rabbitmq().await, "unroutable").await;
    let output = bench.publish(&["1", "2", "3"]).await;
    assert!(!output.status.success());
    assert!(ids(&output).is_empty());
    let text = stderr(&output);
    assert!(text.contains("0 confirmed") && text.contains("3 returned") && text.contains("--declare"), "{text}");
    assert!(!text.contains("Server returned"), "lapin's own line repeats bodies: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_it_is_said_how_many() {
    let bench = Bench::empty(awp_testbed::rabbitmq().await, "full").await;
    let arguments =
        [("x-max-length", AMQPValue::LongInt(2)), ("x-overflow", AMQPValue::LongString("reject-publish".into()))];
    bench.node.declare(&bench.vhost, QUEUE, &arguments).await.unwrap();
    let output = bench.publish(&["1", "--count", "20", "-o", "json"]).await;
    assert!(!output.status.success());
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let (confirmed, refused) = (summary["confirmed"].as_u64().unwrap(), summary["refused"].as_u64().unwrap());
    assert_eq!(confirmed + refused, 20);
    assert!(refused >= 10, "{summary}");
    assert_eq!(bench.counts().await.0, confirmed, "exactly the confirmed ones are there");
    assert!(stderr(&output).contains("refused (the queue may be full)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_tasks_are_confirmed_in_seconds() {
    let bench = Bench::new("many").await;
    let started = Instant::now();
    let output = bench.publish(&["--durations", "2,5,30", "--count", "10000", "-o", "json"]).await;
    let took = started.elapsed();
    assert!(output.status.success(), "{}", stderr(&output));
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    println!("10,000 tasks: {} s confirmed, {took:?} in all", summary["seconds"]);
    assert_eq!((summary["confirmed"].as_u64(), summary["ids"].as_array().unwrap().len()), (Some(10_000), 10_000));
    assert_eq!(bench.counts().await.0, 10_000);
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn declaring_twice_changes_nothing_and_other_settings_are_left_alone() {
    let bench = Bench::new("declare").await;
    let again = bench.publish(&["--declare", "1"]).await;
    assert!(again.status.success() && stderr(&again).is_empty(), "{again:?}");
    assert_eq!(bench.counts().await, (1, 0));

    let other = Bench::empty(bench.node, "declare-other").await;
    other.node.declare_classic(&other.vhost, QUEUE).await.unwrap();
    let output = other.publish(&["--declare", "1"]).await;
    assert!(output.status.success(), "{output:?}");
    assert!(stderr(&output).contains(r#"the queue "work" exists with other settings"#), "{output:?}");
    other.take(QUEUE, 1).await;
    assert_eq!(other.node.counts(&other.vhost, FAILED).await.unwrap().ready, 0, "made beside it");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_in_the_uri_and_wrong_ones_are_refused_without_repeating_them() {
    let bench = Bench::new("login").await;
    let uri = bench.node.amqp_uri(&bench.vhost).replace("amqp://", "amqp://someone:hunter2@");
    let output = bench.publish(&["--uri", &uri, "1"]).await;
    // The option stands twice then: clap refuses it, which is not what is tested.
    assert!(!output.status.success());
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_awp"))
        .args(["publish", "--uri", &uri, "--queue", QUEUE, "1"])
        .output()
        .unwrap();
    assert!(stderr(&output).contains("--credentials-dir"), "{output:?}");
    assert!(!stderr(&output).contains("hunter2"), "{output:?}");

    bench.set_login("someone", "hunter3");
    let output = bench.publish(&["1"]).await;
    assert!(stderr(&output).contains(r#"refuses the login of "someone""#), "{output:?}");
    assert!(!stderr(&output).contains("hunter3"), "{output:?}");
}
