//! `awp publish`.

use rdkafka::Message;
use rdkafka::message::Headers;

use crate::bench::{Bench, read};

#[tokio::test(flavor = "multi_thread")]
async fn records_say_what_they_are() {
    let bench = Bench::new("headers", 1).await;
    let lines = "{\"id\":\"t1\",\"type\":\"review\",\"body\":{\"pr\":7}}\n7\n";
    let output = bench.publish_input(&["--file", "-", "--key", "tenant"], lines).await;
    assert!(output.status.success(), "{output:?}");
    let records = read(bench.bootstrap(), bench.topic.clone(), 2).await;
    let headers = |at: usize| -> Vec<(String, String)> {
        let headers = records[at].headers().unwrap();
        headers.iter().map(|it| (it.key.to_owned(), String::from_utf8(it.value.unwrap().to_vec()).unwrap())).collect()
    };
    let expected = [("awp-task-id", "t1"), ("content-type", "application/json"), ("awp-task-type", "review")];
    assert_eq!(headers(0), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(records[0].payload(), Some(&br#"{"pr":7}"#[..]));
    assert_eq!(records[1].key(), Some(&b"tenant"[..]));
    let ids = String::from_utf8(output.stdout).unwrap();
    assert_eq!(ids.lines().collect::<Vec<_>>(), ["t1", &headers(1)[0].1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_are_confirmed_and_spread_over_the_partitions() {
    let bench = Bench::new("many", 4).await;
    let ids = bench.published(&["1", "--count", "5000"]).await;
    assert_eq!(ids.len(), 5000);
    let args = ["--bootstrap-server", &bench.bootstrap(), "--topic", &bench.topic];
    let ends = bench.kafka.tool("org.apache.kafka.tools.GetOffsetShell", &args).await.unwrap();
    let counts: Vec<i64> = ends.lines().filter_map(|line| line.rsplit_once(':')?.1.trim().parse().ok()).collect();
    assert_eq!((counts.len(), counts.iter().sum::<i64>()), (4, 5000), "{ends}");
    assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn declaring_again_changes_nothing_and_tells_what_differs() {
    let bench = Bench::new("again", 2).await;
    let again = bench.publish(&["--declare"]).await;
    assert!(again.status.success() && again.stderr.is_empty(), "{again:?}");
    let other = bench.publish(&["--declare", "--partitions", "5"]).await;
    assert!(other.status.success());
    assert!(String::from_utf8(other.stderr).unwrap().contains("exists with 2 partitions"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_not_there_is_not_made_by_accident() {
    let bench = Bench::new("typo", 1).await;
    let output = bench.publish(&["--topic", "no-such-topic", "1"]).await;
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("1 returned") && said.contains("--declare"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_topic_refuses_is_not_confirmed() {
    let bench = Bench::new("large", 1).await;
    let input = format!("1\n{:?}\n2\n", "x".repeat(3_000_000));
    let output = bench.publish_input(&["--file", "-", "-o", "json"], &input).await;
    assert!(!output.status.success());
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["confirmed"], &summary["refused"]), (&2.into(), &1.into()), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_are_not_there_are_named() {
    let bench = Bench::new("away", 1).await;
    let output = bench.publish(&["--bootstrap-servers", "127.0.0.1:1", "1"]).await;
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("127.0.0.1:1") && said.contains("refused"), "{said}");
}
