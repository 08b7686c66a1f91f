//! Tasks that fail.

use lapin::types::AMQPValue;

use crate::bench::{Bench, FAILED, QUEUE, header, id};

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_command_sends_its_task_to_the_dead_letters_unchanged() {
    let bench = Bench::new("failed").await;
    let line = r#"{"id":"t1","type":"review","priority":3,"body":{"pr":7}}"#;
    assert!(bench.publish_input(&["--file", "-"], line).await.status.success());
    let worker = bench.worker(&["--exec", "--", "sh", "-c", "cat >/dev/null; exit 7"]).await;
    let letter = &bench.take(FAILED, 1).await[0];
    assert_eq!(header(letter, "awp-reason").as_deref(), Some("the command ended with exit status 7"));
    assert_eq!((letter.data.as_slice(), id(letter).as_str()), (br#"{"pr":7}"#.as_slice(), "t1"));
    let properties = &letter.properties;
    assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "application/json");
    assert_eq!((properties.priority(), properties.delivery_mode()), (&Some(3), &Some(2)));
    assert_eq!(header(letter, "awp-task-type").as_deref(), Some("review"));
    assert_eq!(header(letter, "awp-original-queue").as_deref(), Some(QUEUE));
    assert!(header(letter, "awp-attempt").is_some() && header(letter, "awp-failed-at").is_some());
    let status = worker.until_status("settled", |status| status.in_flight == 0).await;
    assert_eq!((status.completed, status.failed), (Some(0), Some(1)));
    bench.until_counts(0, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_over_its_time_is_ended_and_dead_lettered() {
    let bench = Bench::new("timeout").await;
    bench.published(&["1"]).await;
    // The trap makes SIGTERM visible; the sleep after it makes SIGKILL necessary.
    let script = bench.script(&format!(
        "trap 'echo term >> {}; sleep 60' TERM; cat >/dev/null; while :; do sleep 0.1; done",
        bench.path("seen").display()
    ));
    let worker = bench.worker(&["--task-timeout", "1s", "--exec", "--", "sh", &script]).await;
    let letter = &bench.take(FAILED, 1).await[0];
    assert!(header(letter, "awp-reason").unwrap().contains("longer than the task timeout of 1 s"));
    assert_eq!(bench.lines("seen"), ["term"]);
    worker.until_status("settled", |status| status.in_flight == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_against_the_rules_are_dead_lettered_and_the_worker_lives() {
    let bench = Bench::new("payload").await;
    let worker = bench.worker(&["--max-payload", "100", "--task-type", "a,b", "--prefetch", "4", "--simulate"]).await;
    let lines = format!(
        "{}\n{}\n{}\n{}\n{}\n",
        r#"{"id":"untyped","body":{"durationSeconds":0}}"#,
        r#"{"id":"mistyped","type":"c","body":{"durationSeconds":0}}"#,
        format_args!(r#"{{"id":"large","type":"a","body":"{}"}}"#, "x".repeat(200)),
        r#"{"id":"not-simulated","type":"a","body":{"durationSeconds":"secret"}}"#,
        r#"{"id":"good","type":"b","body":{"durationSeconds":0}}"#,
    );
    assert!(bench.publish_input(&["--file", "-"], &lines).await.status.success());
    publish_as_json(&bench, b"{\"a\":", "broken").await;

    let letters = bench.take(FAILED, 5).await;
    let reason = |name: &str| header(letters.iter().find(|letter| id(letter) == name).unwrap(), "awp-reason").unwrap();
    assert!(reason("untyped").contains("awp-task-type is missing"));
    assert!(reason("mistyped").contains("is not one of: a, b"));
    assert!(reason("large").contains("at most 100 are allowed"));
    assert!(reason("not-simulated").contains("durationSeconds"));
    assert!(reason("broken").contains("the content type says JSON"));
    let status = worker.until_status("settled", |status| status.in_flight == 0).await;
    assert_eq!((status.completed, status.failed), (Some(1), Some(5)));
    assert!(!worker.log().iter().any(|line| line.contains("secret")), "{:#?}", worker.log());
}

async fn publish_as_json(bench: &Bench, body: &[u8], id: &str) {
    use lapin::options::BasicPublishOptions;
    let connection = bench.node.connect(&bench.vhost).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut headers = lapin::types::FieldTable::default();
    headers.insert("awp-task-type".into(), AMQPValue::LongString("a".into()));
    let properties = lapin::BasicProperties::default()
        .with_content_type("application/json".into())
        .with_message_id(id.into())
        .with_headers(headers);
    channel.basic_publish("".into(), QUEUE.into(), BasicPublishOptions::default(), body, properties).await.unwrap();
    channel.close(200, "done".into()).await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_dead_letter_queue_is_full_the_task_is_kept() {
    let bench = Bench::empty(awp_testbed::rabbitmq().await, "full-letters").await;
    let full =
        [("x-max-length", AMQPValue::LongInt(0)), ("x-overflow", AMQPValue::LongString("reject-publish".into()))];
    bench.node.declare(&bench.vhost, FAILED, &full).await.unwrap();
    bench.node.declare_quorum(&bench.vhost, QUEUE).await.unwrap();
    bench.published(&["1"]).await;
    let worker = bench.worker(&["--exec", "--", "false"]).await;
    worker.until_log("it may be full").await;
    assert_eq!(worker.status().await.in_flight, 1, "kept, and not idle");
    bench.until_counts(0, 1).await;

    bench.node.delete_queue(&bench.vhost, FAILED).await.unwrap();
    worker.until_log("returned as unroutable").await;
    assert_eq!(worker.status().await.in_flight, 1);

    bench.node.declare_quorum(&bench.vhost, FAILED).await.unwrap();
    assert!(header(&bench.take(FAILED, 1).await[0], "awp-reason").is_some());
    worker.until_status("settled", |status| status.in_flight == 0).await;
    bench.until_counts(0, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_cannot_be_dead_lettered_goes_back_when_the_worker_stops() {
    let bench = Bench::empty(awp_testbed::rabbitmq().await, "no-letters").await;
    bench.node.declare_quorum(&bench.vhost, QUEUE).await.unwrap();
    bench.published(&["1"]).await;
    // Neither does a missing exchange, which closes the channel, lose it.
    let mut worker = bench.worker(&["--dead-letter-exchange", "nowhere", "--exec", "--", "false"]).await;
    worker.until_log("not dead-lettered; the task is kept").await;
    assert_eq!(worker.status().await.in_flight, 1);
    worker.terminate();
    assert_eq!(worker.ended().await.code(), Some(0));
    bench.until_counts(1, 0).await;
}
