//! What breaks around a worker.

use std::time::{Duration, Instant};

use awp::contract::State;
use awp_testbed::RabbitMq;
use awp_testbed::rabbitmq::{Options, User};
use lapin::options::BasicGetOptions;
use lapin::types::AMQPValue;

use crate::bench::{Bench, FAILED, QUEUE, header};
use crate::worker_process::Worker;

/// A node that a test may stop.
async fn own_node(extra: &str) -> &'static RabbitMq {
    let options = Options { management: false, tls: false, extra: extra.to_owned(), ..Options::default() };
    Box::leak(Box::new(RabbitMq::start(options).await.unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_loses_nothing() {
    let bench = Bench::new("killed").await;
    bench.simulated("60", "1").await;
    let mut worker = bench.worker(&["--simulate"]).await;
    worker.until_status("at work", |status| status.in_flight == 1).await;
    worker.signal(rustix::process::Signal::KILL);
    worker.ended().await;
    bench.until_counts(1, 0).await;
    assert!(bench.take(QUEUE, 1).await[0].redelivered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_crash_interrupts_no_running_task_and_loses_none() {
    let bench = Bench::empty(own_node("").await, "crash").await;
    bench.declare().await;
    let script = bench.script(&format!(
        "cat >/dev/null; echo $AWP_TASK_ID >> {0}/begun; sleep 4; echo $AWP_TASK_ID >> {0}/ended",
        bench.folder.path().display()
    ));
    let ids = bench.published(&["1", "--count", "3"]).await;
    let mut worker = bench.worker(&["--prefetch", "2", "--exec", "--", "sh", &script]).await;
    bench.until_lines("begun", 2).await;

    // RabbitMQ writes down that it has a new quorum queue half a second later; a crash before that
    // leaves the queue without a leader for ever, which is not what is tested here.
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.node.kill().await.unwrap();
    worker.until_log("the subscription is lost").await;
    assert!(!worker.ready().await);
    let status = worker.status().await;
    assert_eq!((status.in_flight, status.state), (2, Some(State::Running)), "they go on");
    bench.node.start_again().await.unwrap();

    // The first two run again, because their acknowledgements went nowhere.
    let mut most = 0;
    let started = Instant::now();
    while bench.lines("ended").len() < 5 || worker.status().await.in_flight > 0 {
        most = most.max(worker.status().await.in_flight);
        assert!(started.elapsed() < Duration::from_secs(60), "{:#?}", worker.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(most, 2, "old and new tasks together stay within the slots");
    let mut ended = bench.lines("ended");
    ended.sort();
    ended.dedup();
    let mut all = ids.clone();
    all.sort();
    assert_eq!(ended, all);
    worker.until_log("the broker delivers it again").await;
    bench.until_counts(0, 0).await;
    worker.terminate();
    assert_eq!(worker.ended().await.code(), Some(0));
    assert!(worker.log().iter().any(|line| line.contains(r#""interrupted":2"#)), "{:#?}", worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_lost_connection_old_and_new_tasks_share_the_slots() {
    for kind in ["quorum", "classic"] {
        let bench = Bench::empty(awp_testbed::rabbitmq().await, kind).await;
        let arguments = [("x-queue-type", AMQPValue::LongString(kind.into()))];
        bench.node.declare(&bench.vhost, QUEUE, &arguments).await.unwrap();
        let worker = bench.worker(&["--prefetch", "2", "--simulate"]).await;
        bench.simulated("3", "1").await;
        bench.simulated("8", "1").await;
        bench.simulated("1", "4").await;
        worker.until_status("both at work", |status| status.in_flight == 2).await;
        bench.node.close_connections(&bench.vhost).await.unwrap();

        // With both slots taken by tasks that nobody waits for it asks for nothing; then for one.
        let mut most = 0;
        let started = Instant::now();
        loop {
            let status = worker.status().await;
            most = most.max(status.in_flight);
            // The first two were done and are done again: 2 + 6.
            if status.completed == Some(8) {
                break;
            }
            assert!(started.elapsed() < Duration::from_secs(40), "{status:?} {:#?}", worker.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // A classic queue does not count the old consumer's tasks: one more may wait, not begun.
        assert!(most == 2 || (kind == "classic" && most == 3), "{most} in flight");
        assert!(worker.log().iter().any(|line| line.contains("taking more tasks at once")), "{:#?}", worker.log());
        worker.until_status("idle", |status| status.in_flight == 0).await;
        bench.until_counts(0, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_timeout_of_the_broker_does_not_end_the_worker() {
    let bench = Bench::empty(own_node("").await, "slow").await;
    bench.declare().await;
    let settings =
        "application:set_env(rabbit, channel_tick_interval, 500), application:set_env(rabbit, consumer_timeout, 2000).";
    bench.node.ctl(&["eval", settings]).await.unwrap();
    bench.simulated("6", "1").await;
    let worker = bench.worker(&["--simulate"]).await;
    worker.until_log("delivery acknowledgement on channel 1 timed out").await;
    worker.until_log("its connection is gone before the broker heard of it").await;
    bench.node.ctl(&["eval", "application:set_env(rabbit, consumer_timeout, undefined)."]).await.unwrap();
    bench.node.close_connections(&bench.vhost).await.unwrap();
    worker.until_status("done again", |status| status.completed.unwrap() >= 2 && status.in_flight == 0).await;
    bench.until_counts(0, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_starts_before_its_broker_and_stops_without_it() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["username", "password"] {
        std::fs::write(folder.path().join(name), "x").unwrap();
    }
    let mut worker = Worker::start("amqp://127.0.0.1:1", folder.path(), &["--simulate"]);
    worker.until_log("cannot reach 127.0.0.1:1").await;
    assert!(!worker.ready().await);
    assert_eq!(worker.get("/healthz").await.unwrap().0, 200);
    worker.terminate();
    assert_eq!(worker.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_comes_late_or_comes_back_is_served() {
    let bench = Bench::empty(awp_testbed::rabbitmq().await, "late").await;
    let worker = bench.start(&["--simulate"]);
    worker.until_log("no queue 'work'").await;
    assert!(!worker.ready().await);
    bench.declare().await;
    worker.until_ready().await;

    bench.simulated("2", "1").await;
    worker.until_status("at work", |status| status.in_flight == 1).await;
    bench.node.delete_queue(&bench.vhost, QUEUE).await.unwrap();
    worker.until_log("the broker has cancelled the consumer").await;
    bench.declare().await;
    bench.simulated("0", "2").await;
    worker.until_status("served again", |status| status.completed == Some(3) && status.in_flight == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_password_is_read_at_the_next_connection() {
    let bench = Bench::new("rotate").await;
    let user = User { name: "rotated", password: "pw-one", tags: "", permissions: [".*"; 3] };
    bench.node.add_user(user, &bench.vhost).await.unwrap();
    bench.set_login("rotated", "pw-one");
    let worker = bench.worker(&["--simulate"]).await;

    bench.node.set_password("rotated", "pw-two").await.unwrap();
    bench.node.close_connections(&bench.vhost).await.unwrap();
    worker.until_log(r#"refuses the login of \"rotated\""#).await;
    assert!(!worker.ready().await);
    bench.set_login("rotated", "pw-two");
    worker.until_ready().await;
    bench.simulated("0", "1").await;
    worker.until_status("works", |status| status.completed == Some(1)).await;
    assert!(!worker.log().iter().any(|line| line.contains("pw-")), "{:#?}", worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_trusts_the_given_authority_and_no_other() {
    let bench = Bench::new("tls").await;
    let uri = bench.node.amqps_uri(&bench.vhost);
    let folder = bench.path("tls");
    std::fs::create_dir(&folder).unwrap();
    let tls = folder.to_string_lossy().into_owned();
    let args = ["--tls-dir", &tls, "--simulate"];

    let worker = Worker::start(&uri, bench.folder.path(), &args);
    worker.until_log("no secure connection").await;
    worker.until_log("give the broker's CA as ca.crt").await;

    std::fs::write(folder.join("ca.crt"), bench.node.ca_pem()).unwrap();
    worker.until_ready().await;
    bench.simulated("0", "1").await;
    worker.until_status("works", |status| status.completed == Some(1)).await;

    let output = std::process::Command::new(env!("CARGO_BIN_EXE_awp"))
        .args(["publish", "--uri", &uri, "--queue", QUEUE, "--tls-dir", &tls, "--credentials-dir"])
        .arg(bench.folder.path())
        .arg(r#"{"durationSeconds": 0}"#)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    worker.until_status("works", |status| status.completed == Some(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_short_of_memory_blocks_dead_letters_but_no_acknowledgement() {
    let bench = Bench::empty(own_node("").await, "alarm").await;
    bench.declare().await;
    let script = bench.script("test $(cat) = good");
    bench.published(&["bad", "good"]).await;
    bench.node.ctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]).await.unwrap();
    let worker = bench.worker(&["--prefetch", "2", "--exec", "--", "sh", &script]).await;
    worker.until_status("one done", |status| status.completed == Some(1)).await;
    bench.until_counts(0, 1).await;
    assert_eq!(worker.status().await.in_flight, 1, "the bad one is kept");
    let blocked = tokio::time::timeout(Duration::from_secs(60), bench.publish(&["1"])).await.unwrap();
    assert!(String::from_utf8_lossy(&blocked.stderr).contains("short of memory"), "{blocked:?}");

    bench.node.ctl(&["set_vm_memory_high_watermark", "0.6"]).await.unwrap();
    worker.until_status("settled", |status| status.in_flight == 0).await;
    // A confirm that came too late leaves a second copy: twice, never not at all.
    let connection = bench.node.connect(&bench.vhost).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let letter = channel.basic_get(FAILED.into(), BasicGetOptions::default()).await.unwrap().unwrap();
    assert!(header(&letter.delivery, "awp-reason").unwrap().contains("exit status 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_do_not_pile_up() {
    let bench = Bench::new("connections").await;
    let worker = bench.worker(&["--prefetch", "4", "--exec", "--", "false"]).await;
    for round in 1..=3 {
        bench.published(&["1", "--count", "10"]).await;
        worker.until_status("failed", |status| status.failed == Some(round * 10) && status.in_flight == 0).await;
        assert_eq!(bench.node.connections(&bench.vhost).await.unwrap(), 2, "one for tasks, one for dead letters");
        bench.node.close_connections(&bench.vhost).await.unwrap();
        worker.until_ready().await;
    }
    let listed =
        bench.node.ctl(&["list_connections", "--quiet", "--no-table-headers", "vhost", "client_properties"]).await;
    assert!(listed.unwrap().lines().any(|line| line.starts_with(&bench.vhost) && line.contains(&worker.name())));
}
