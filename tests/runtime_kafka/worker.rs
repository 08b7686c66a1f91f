//! `awp worker` in ordinary life.

use std::time::{Duration, Instant};

use awp::contract::State;

use crate::bench::{Bench, protocols};

#[tokio::test(flavor = "multi_thread")]
async fn every_task_is_done_once_and_committed() {
    for protocol in protocols() {
        let bench = Bench::new("once", 6).await;
        let script = bench.script("cat >/dev/null");
        let ids = bench.published(&["1", "--count", "60"]).await;
        let args = ["--prefetch", "3", "--group-protocol", protocol, "--exec", "--", "sh", &script];
        let workers = [bench.worker(&args).await, bench.worker(&args).await];
        bench.until_lines("ended", 60).await;
        bench.until_committed(60).await;
        bench.assert_once(&ids);
        let mut completed = 0;
        for worker in &workers {
            let status = worker.until_status("idle", |status| status.in_flight == 0).await;
            completed += status.completed.unwrap();
            assert_eq!((status.failed, status.slots, status.state), (Some(0), Some(3), Some(State::Running)));
        }
        assert_eq!(completed, 60, "{protocol}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_partition_fills_all_slots_and_no_more() {
    let bench = Bench::new("prefetch", 1).await;
    bench.published(&["--durations", "0.5", "--count", "20"]).await;
    let worker = bench.worker(&["--prefetch", "4", "--simulate"]).await;
    worker.until_status("at work", |status| status.in_flight > 0).await;
    let started = Instant::now();
    let mut most = 0;
    loop {
        let status = worker.status().await;
        most = most.max(status.in_flight);
        if status.completed == Some(20) {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{status:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(most, 4);
    let took = started.elapsed();
    assert!(took > Duration::from_secs(2) && took < Duration::from_secs(8), "five rounds of 0.5 s: {took:?}");
    bench.until_committed(20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_the_body_and_what_the_task_is() {
    let bench = Bench::new("environment", 1).await;
    let seen = bench.path("seen");
    let script = bench.script(&format!(
        "body=$(cat); printf '%s|%s|%s|%s\\n' \"$body\" \"$AWP_TASK_ID\" \"$AWP_ATTEMPT\" \"$AWP_TASK_TYPE\" >> {}",
        seen.display()
    ));
    let line = r#"{"id":"t1","type":"review","body":{"pr":7}}"#;
    assert!(bench.publish_input(&["--file", "-"], line).await.status.success());
    bench.kafka.produce(&bench.topic, 0, &["plain"]).await.unwrap();
    let _worker = bench.worker(&["--exec", "--", "sh", &script]).await;
    let lines = bench.until_lines("seen", 2).await;
    let unnamed = format!("plain|{}-0-1|1|", bench.topic);
    assert_eq!(lines, [r#"{"pr":7}|t1|1|review"#, &unnamed], "without an id it is called by its place");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_finishes_the_running_tasks_and_leaves_the_rest() {
    for protocol in protocols() {
        let bench = Bench::new("sigterm", 1).await;
        bench.published(&["--durations", "2", "--count", "5"]).await;
        let mut worker = bench.worker(&["--prefetch", "2", "--group-protocol", protocol, "--simulate"]).await;
        worker.until_status("two at work", |status| status.in_flight == 2).await;
        worker.terminate();
        let status = worker.until_status("draining", |status| status.state == Some(State::Draining)).await;
        assert_eq!(status.in_flight, 2);
        assert!(!worker.ready().await, "a draining worker is not ready");
        assert_eq!(worker.ended().await.code(), Some(0));
        assert!(worker.log().iter().any(|line| line.contains(r#""completed":2"#)), "{:#?}", worker.log());
        assert_eq!(bench.committed().await, 2);

        // It has left the group: another one need not wait for its session to end.
        let asked = Instant::now();
        let next = bench.worker(&["--prefetch", "3", "--group-protocol", protocol, "--simulate"]).await;
        next.until_status("the rest at work", |status| status.in_flight == 3).await;
        assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
        bench.until_committed(5).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_ends_at_once() {
    let bench = Bench::new("idle", 3).await;
    let mut worker = bench.worker(&["--simulate"]).await;
    worker.until_log("partitions taken").await;
    let asked = Instant::now();
    worker.terminate();
    assert_eq!(worker.ended().await.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_latest_what_comes_while_there_is_no_worker_is_not_skipped() {
    let bench = Bench::new("latest", 2).await;
    bench.published(&["--durations", "0", "--count", "10", "--key", "a"]).await;
    let args = ["--offset-reset", "Latest", "--simulate"];
    let mut first = bench.worker(&args).await;
    first.until_log("partitions taken").await;
    bench.until_committed(10).await;
    first.terminate();
    assert_eq!(first.ended().await.code(), Some(0));
    assert!(first.log().iter().any(|line| line.contains(r#""completed":0"#)), "the old ones are skipped");

    bench.published(&["--durations", "0", "--count", "4"]).await;
    let second = bench.worker(&args).await;
    second.until_status("done", |status| status.completed == Some(4)).await;
    bench.until_committed(14).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_could_lose_tasks_does_not_start() {
    let bench = Bench::new("refuse", 1).await;
    let run = |args: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_awp"))
            .args(["worker", "--broker", "kafka", "--bootstrap-servers", &bench.bootstrap(), "--topic", &bench.topic])
            .args(args)
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(run(&["--simulate"]).contains("--group"));
    assert!(run(&["--group", "g", "--simulate"]).contains("no place for dead letters"));
    assert!(run(&["--group", "g", "--dead-letter", &bench.topic, "--simulate"]).contains("run for ever"));
    assert!(run(&["--group", "g", "--dead-letter", "a b", "--simulate"]).contains("no name of a topic"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_waits_for_a_topic_that_is_not_there_yet() {
    let kafka = awp_testbed::kafka().await;
    let bench = Bench::new("early", 1).await;
    let topic = kafka.name("late");
    let worker = bench.start(&["--topic", &topic, "--simulate"]);
    worker.until_log("create it").await;
    kafka.create_topic(&topic, 1, &[]).await.unwrap();
    kafka.produce(&topic, 0, &[r#"{"durationSeconds":0}"#]).await.unwrap();
    worker.until_status("done", |status| status.completed == Some(1)).await;
}
