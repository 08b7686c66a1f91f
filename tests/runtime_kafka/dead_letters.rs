//! Tasks that fail.

use std::time::Duration;

use rdkafka::Message;
use rdkafka::message::{Header, Headers, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::bench::Bench;

fn header(message: &OwnedMessage, name: &str) -> Option<String> {
    let headers = message.headers()?;
    let found = headers.iter().find(|header| header.key == name)?;
    Some(String::from_utf8_lossy(found.value?).into_owned())
}

async fn produce(bench: &Bench, body: Option<&[u8]>, headers: &[(&str, &str)]) {
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", bench.bootstrap()).set("message.max.bytes", "10000000");
    let producer: FutureProducer = config.create().unwrap();
    let mut all = OwnedHeaders::new();
    for (key, value) in headers {
        all = all.insert(Header { key, value: Some(*value) });
    }
    let mut record: FutureRecord<'_, str, [u8]> = FutureRecord::to(&bench.topic).key("tenant").headers(all);
    record.payload = body;
    producer.send(record, Duration::from_secs(10)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_task_becomes_a_dead_letter_with_its_reason() {
    let bench = Bench::new("failed", 1).await;
    let headers = [("awp-task-id", "t1"), ("awp-attempt", "2"), ("traceparent", "00-1"), ("awp-deadline", "99")];
    produce(&bench, Some(b"body"), &headers).await;
    let worker = bench.worker(&["--exec", "--", "sh", "-c", "exit 3"]).await;
    let letter = bench.dead_letters(1).await.remove(0);
    assert_eq!((letter.payload(), letter.key()), (Some(&b"body"[..]), Some(&b"tenant"[..])));
    for (name, value) in [
        ("awp-task-id", "t1"),
        ("awp-attempt", "2"),
        ("traceparent", "00-1"),
        ("awp-deadline", "99"),
        ("awp-reason", "the command ended with exit status 3"),
        ("awp-original-topic", &bench.topic),
        ("awp-original-partition", "0"),
        ("awp-original-offset", "0"),
    ] {
        assert_eq!(header(&letter, name).as_deref(), Some(value), "{name}");
    }
    assert!(header(&letter, "awp-failed-at").unwrap().parse::<u64>().unwrap() > 1_700_000_000);
    bench.until_committed(1).await;
    worker.until_status("failed", |status| status.failed == Some(1) && status.in_flight == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_does_not_stop_the_partition() {
    let bench = Bench::new("poison", 1).await;
    produce(&bench, Some(b"{"), &[("content-type", "application/json"), ("awp-task-type", "ok")]).await;
    produce(&bench, Some(&[b'x'; 2000]), &[("awp-task-type", "ok")]).await;
    produce(&bench, Some(b"x"), &[("awp-task-type", "strange")]).await;
    produce(&bench, Some(b"x"), &[]).await;
    produce(&bench, None, &[("awp-task-type", "ok")]).await;
    produce(&bench, Some(&[0xff, 0x00]), &[("awp-task-type", "ok"), ("awp-attempt", "\u{0}many")]).await;
    let script = bench.script("cat >/dev/null");
    let args = ["--max-payload", "1Ki", "--task-type", "ok", "--exec", "--", "sh", &script];
    let worker = bench.worker(&args).await;
    let mut reasons: Vec<_> =
        bench.dead_letters(4).await.iter().map(|letter| header(letter, "awp-reason").unwrap()).collect();
    reasons.sort();
    let expected = ["awp-task-type is missing", "the content type says JSON", "2000 bytes", "strange"];
    for part in expected {
        assert!(reasons.iter().any(|reason| reason.contains(part)), "{part}: {reasons:#?}");
    }
    bench.until_committed(6).await;
    let ids: Vec<String> = [4, 5].iter().map(|offset| format!("{}-0-{offset}", bench.topic)).collect();
    bench.assert_once(&ids);
    worker.until_status("done", |status| status.completed == Some(2) && status.failed == Some(4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_kept_until_its_dead_letter_is_confirmed() {
    let bench = Bench::new("kept", 1).await;
    let worker = bench.worker(&["--exec", "--", "false"]).await;
    bench.kafka.delete_topic(&bench.failed()).await.unwrap();
    bench.published(&["1"]).await;
    worker.until_log("not dead-lettered; the task is kept").await;
    assert_eq!(worker.status().await.in_flight, 1);
    assert_eq!(bench.committed().await, 0);
    bench.kafka.create_topic(&bench.failed(), 1, &[]).await.unwrap();
    bench.dead_letters(1).await;
    bench.until_committed(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_topic_for_dead_letters_a_worker_takes_nothing() {
    let bench = Bench::new("nowhere", 1).await;
    bench.published(&["1"]).await;
    let worker = bench.start(&["--dead-letter", "not-there", "--exec", "--", "true"]);
    worker.until_log("correct --dead-letter").await;
    assert!(!worker.ready().await);
}
