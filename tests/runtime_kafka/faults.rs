//! What breaks around a worker.

use std::time::{Duration, Instant};

use awp::contract::State;
use awp_testbed::Kafka;
use awp_testbed::kafka::Options;
use rustix::process::Signal;
use tokio::sync::OnceCell;

use crate::bench::{Bench, protocols};

/// Members that fall silent are missed soon. A session that is too short would be missed on a
/// machine that is only busy.
const SESSION: &str = "group.consumer.session.timeout.ms=8000\ngroup.consumer.heartbeat.interval.ms=1000";

pub async fn own(extra: &str) -> &'static Kafka {
    let options = Options { extra: extra.to_owned(), ..Options::default() };
    Box::leak(Box::new(Kafka::start(options).await.unwrap()))
}

/// A broker for tests that kill workers, not the broker.
pub async fn impatient() -> &'static Kafka {
    static SHARED: OnceCell<&'static Kafka> = OnceCell::const_new();
    SHARED.get_or_init(async || own(SESSION).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_loses_nothing() {
    let bench = Bench::on(impatient().await, "killed", 1).await;
    let ids = bench.published(&["--durations", "60", "--count", "1"]).await;
    let mut worker = bench.worker(&["--simulate"]).await;
    worker.until_status("at work", |status| status.in_flight == 1).await;
    worker.signal(Signal::KILL);
    worker.ended().await;
    let script = bench.script("true");
    let _next = bench.worker(&["--exec", "--", "sh", &script]).await;
    bench.until_committed(1).await;
    bench.assert_once(&ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_restart_interrupts_no_task_and_runs_none_twice() {
    for protocol in protocols() {
        let kafka = own("").await;
        let bench = Bench::on(kafka, "restart", 2).await;
        let script = bench.script("sleep 5");
        let ids = bench.published(&["1", "--count", "6"]).await;
        let args = ["--prefetch", "3", "--group-protocol", protocol, "--exec", "--", "sh", &script];
        let mut worker = bench.worker(&args).await;
        worker.until_status("at work", |status| status.in_flight == 3).await;
        kafka.broker(1).unwrap().kill().await.unwrap();
        bench.until_lines("ended", 3).await;
        // Done, and not known to be: the worker is not idle.
        let status = worker.status().await;
        assert_eq!((status.in_flight, status.state), (3, Some(State::Running)), "{protocol}");
        kafka.start_again(1).await.unwrap();
        bench.until_lines("ended", 6).await;
        bench.until_committed(6).await;
        bench.assert_once(&ids);
        worker.terminate();
        assert_eq!(worker.ended().await.code(), Some(0));
        assert!(worker.log().iter().any(|line| line.contains(r#""interrupted":0"#)), "{:#?}", worker.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_hangs_does_not_keep_a_worker_from_ending() {
    let kafka = own("").await;
    let bench = Bench::on(kafka, "hangs", 1).await;
    let mut idle = bench.worker(&["--simulate"]).await;
    idle.until_log("partitions taken").await;
    kafka.broker(1).unwrap().pause().await.unwrap();
    let mut late = bench.start(&["--simulate"]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asked = Instant::now();
    for worker in [&mut idle, &mut late] {
        worker.terminate();
        assert_eq!(worker.ended().await.code(), Some(0));
    }
    kafka.broker(1).unwrap().resume().await.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(25), "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_missed_commits_nothing_of_what_others_have_now() {
    let bench = Bench::on(impatient().await, "missed", 1).await;
    let script = bench.script("sleep 4");
    bench.published(&["1", "--count", "2"]).await;
    let mut first = bench.worker(&["--prefetch", "2", "--exec", "--", "sh", &script]).await;
    first.until_status("at work", |status| status.in_flight == 2).await;
    let second = bench.worker(&["--prefetch", "2", "--exec", "--", "sh", &script]).await;
    // As a machine does that swaps, or a node that is frozen.
    first.signal(Signal::STOP);
    second.until_status("it has taken over", |status| status.in_flight == 2).await;
    first.signal(Signal::CONT);
    first.until_log("partitions are lost").await;
    bench.until_committed(2).await;
    second.until_status("done", |status| status.completed == Some(2)).await;
    first.until_status("over", |status| status.in_flight == 0).await;
    first.terminate();
    assert_eq!(first.ended().await.code(), Some(0));
    assert!(first.log().iter().any(|line| line.contains(r#""interrupted":2"#)), "{:#?}", first.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_with_the_new_protocol_turned_off_get_the_classic_one() {
    let kafka = own("group.coordinator.rebalance.protocols=classic").await;
    let bench = Bench::on(kafka, "classic", 1).await;
    bench.published(&["--durations", "0", "--count", "3"]).await;
    let worker = bench.worker(&["--simulate"]).await;
    worker.until_status("done", |status| status.completed == Some(3)).await;
    worker.until_log("using the classic one").await;
    bench.until_committed(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_that_passes_a_partition_by_loses_nothing_that_is_left() {
    let bench = Bench::new("retention", 1).await;
    bench.published(&["--durations", "0", "--count", "6"]).await;
    bench.kafka.commit(&bench.group, &bench.topic, &[(0, 2)]).await.unwrap();
    bench.kafka.delete_records(&bench.topic, 0, 4).await.unwrap();
    let worker = bench.worker(&["--offset-reset", "Latest", "--simulate"]).await;
    worker.until_status("what is left", |status| status.completed == Some(2)).await;
    bench.until_committed(6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_s_metadata_is_no_obstacle() {
    let bench = Bench::new("stranger", 1).await;
    bench.published(&["--durations", "0", "--count", "4"]).await;
    let (bootstrap, group, topic) = (bench.bootstrap(), bench.group.clone(), bench.topic.clone());
    tokio::task::spawn_blocking(move || {
        use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
        let mut config = rdkafka::ClientConfig::new();
        let consumer: BaseConsumer =
            config.set("bootstrap.servers", bootstrap).set("group.id", group).create().unwrap();
        let mut list = rdkafka::TopicPartitionList::new();
        let mut element = list.add_partition(&topic, 0);
        element.set_offset(rdkafka::Offset::Offset(1)).unwrap();
        // Ours, of another offset: a mirror that moves commits keeps it.
        element.set_metadata("awp1:0:BD");
        consumer.commit(&list, CommitMode::Sync).unwrap();
    })
    .await
    .unwrap();
    let worker = bench.worker(&["--simulate"]).await;
    worker.until_status("done", |status| status.completed == Some(3)).await;
    bench.until_committed(4).await;
}
