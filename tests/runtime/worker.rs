//! `awp worker` in ordinary life.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use awp::contract::State;

use crate::bench::{Bench, FAILED, QUEUE};

#[tokio::test(flavor = "multi_thread")]
async fn every_task_is_done_once_and_acknowledged() {
    let bench = Bench::new("once").await;
    let log = bench.path("done");
    let script = bench.script(&format!("cat >/dev/null; echo $AWP_TASK_ID >> {}", log.display()));
    let published: BTreeSet<String> = bench.published(&["1", "--count", "60"]).await.into_iter().collect();
    let args = ["--prefetch", "3", "--exec", "--", "sh", &script];
    let workers = [bench.worker(&args).await, bench.worker(&args).await];

    let done = bench.until_lines("done", 60).await;
    assert_eq!(done.len(), 60, "none twice");
    assert_eq!(done.into_iter().collect::<BTreeSet<_>>(), published);
    bench.until_counts(0, 0).await;
    let mut completed = 0;
    for worker in &workers {
        let status = worker.until_status("idle", |status| status.in_flight == 0).await;
        completed += status.completed.unwrap();
        assert_eq!((status.failed, status.slots, status.state), (Some(0), Some(3), Some(State::Running)));
    }
    assert_eq!(completed, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_holds_no_more_than_its_prefetch() {
    let bench = Bench::new("prefetch").await;
    bench.simulated("0.3", "20").await;
    let worker = bench.worker(&["--prefetch", "4", "--simulate"]).await;
    let started = Instant::now();
    let mut most = 0;
    loop {
        let status = worker.status().await;
        most = most.max(status.in_flight);
        if status.completed == Some(20) {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{status:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(most, 4);
    assert!(started.elapsed() > Duration::from_millis(1200), "five rounds of 0.3 s at least");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_worker_never_looks_idle() {
    let bench = Bench::new("truthful").await;
    let script = bench.script(&format!(
        "cat >/dev/null; echo x >> {0}; sleep 1; echo x >> {1}",
        bench.path("begun").display(),
        bench.path("ended").display()
    ));
    let worker = bench.worker(&["--exec", "--", "sh", &script]).await;
    assert_eq!(worker.status().await.in_flight, 0);
    bench.published(&["1", "--count", "3"]).await;
    let mut asked = 0;
    while bench.lines("ended").len() < 3 {
        // Read before asking: what had begun, and had not ended afterwards, ran all the while.
        let begun = bench.lines("begun").len();
        let status = worker.status().await;
        if begun > bench.lines("ended").len() {
            assert!(status.in_flight >= 1, "{status:?}");
            asked += 1;
        }
    }
    assert!(asked > 5, "{asked}");
    let status = worker.until_status("idle", |status| status.in_flight == 0).await;
    assert!((3.0..6.0).contains(&status.busy_seconds.unwrap()), "{status:?}");
    assert!(status.memory_bytes.unwrap() > 1 << 20 && status.base_memory_bytes.is_some(), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_the_body_and_what_the_task_is() {
    let bench = Bench::new("environment").await;
    let script = bench.script(&format!(
        "body=$(cat); printf '%s|%s|%s|%s|%s|%s\\n' \"$body\" \"$AWP_TASK_ID\" \"$AWP_ATTEMPT\" \"$AWP_TASK_TYPE\" \
         \"$AWP_REDELIVERED\" $((AWP_DEADLINE - $(date +%s))) >> {}; echo from the task",
        bench.path("seen").display()
    ));
    let line = r#"{"id":"t1","type":"review","body":{"pr":7}}"#;
    assert!(bench.publish_input(&["--file", "-"], line).await.status.success());
    let args = ["--task-timeout", "90s", "--task-type", "review", "--output", "log", "--exec", "--", "sh", &script];
    let worker = bench.worker(&args).await;
    let seen = bench.until_lines("seen", 1).await;
    assert!([90, 89].iter().any(|left| seen[0] == format!(r#"{{"pr":7}}|t1|1|review|false|{left}"#)), "{seen:?}");
    worker.until_log("from the task").await;
    let log = worker.log();
    let output: serde_json::Value =
        serde_json::from_str(log.iter().find(|line| line.contains("from the task")).unwrap()).unwrap();
    assert_eq!((output["task"].as_str(), output["stream"].as_str()), (Some("t1"), Some("stdout")));
    worker.until_log(r#""outcome":"done""#).await;
    assert!(!worker.log().iter().any(|line| line.contains(r#""pr""#)), "payloads are not logged: {log:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_need_not_read_its_input() {
    let bench = Bench::new("unread").await;
    let line = format!("{:?}", "x".repeat(900_000));
    assert!(bench.publish_input(&["--file", "-"], &line).await.status.success());
    let worker = bench.worker(&["--exec", "--", "true"]).await;
    worker.until_status("done", |status| status.completed == Some(1) && status.in_flight == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_finishes_the_running_task_and_leaves_the_rest_on_the_queue() {
    let bench = Bench::new("sigterm").await;
    bench.simulated("2", "5").await;
    let mut worker = bench.worker(&["--prefetch", "2", "--simulate"]).await;
    worker.until_status("two at work", |status| status.in_flight == 2).await;
    worker.terminate();
    let status = worker.until_status("draining", |status| status.state == Some(State::Draining)).await;
    assert_eq!(status.in_flight, 2);
    assert!(!worker.ready().await, "a draining worker is not ready");
    assert_eq!(worker.ended().await.code(), Some(0));
    bench.until_counts(3, 0).await;
    assert!(bench.take(QUEUE, 3).await.iter().all(|message| !message.redelivered));
    assert!(worker.log().iter().any(|line| line.contains(r#""completed":2"#)), "{:#?}", worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_ends_at_once() {
    let bench = Bench::new("idle").await;
    let mut worker = bench.worker(&["--simulate"]).await;
    let asked = Instant::now();
    worker.terminate();
    assert_eq!(worker.ended().await.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_task_and_everything_it_started() {
    let bench = Bench::new("second").await;
    let pids = bench.path("pids");
    let script = bench.script(&format!("sleep 60 & echo $! >> {0}; echo $$ >> {0}; wait", pids.display()));
    bench.published(&["1"]).await;
    let mut worker = bench.worker(&["--exec", "--", "sh", &script]).await;
    let pids = bench.until_lines("pids", 2).await;
    worker.terminate();
    worker.until_status("draining", |status| status.state == Some(State::Draining)).await;
    worker.terminate();
    assert_eq!(worker.ended().await.code(), Some(1));
    assert!(pids.iter().all(|pid| !runs(pid)), "nothing is left behind");
    bench.until_counts(1, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_finished_task_leaves_running_is_ended() {
    let bench = Bench::new("leftover").await;
    let script = bench.script(&format!("sleep 60 & echo $! >> {}", bench.path("pids").display()));
    bench.published(&["1"]).await;
    let worker = bench.worker(&["--output", "log", "--exec", "--", "sh", &script]).await;
    let pids = bench.until_lines("pids", 1).await;
    worker.until_status("done", |status| status.completed == Some(1) && status.in_flight == 0).await;
    assert!(!runs(&pids[0]));
}

/// A zombie does not run.
fn runs(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_could_lose_tasks_does_not_start() {
    let bench = Bench::new("refuse").await;
    let run = |args: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_awp"))
            .args(["worker", "--uri", &bench.uri(), "--queue", QUEUE, "--credentials-dir"])
            .arg(bench.folder.path())
            .args(args)
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(run(&["--simulate"]).contains("no place for dead letters"));
    assert!(run(&["--dead-letter-routing-key", QUEUE, "--simulate"]).contains("run for ever"));
    let target = ["--dead-letter-routing-key", FAILED];
    assert!(run(&[&target[..], &["--prefetch", "0", "--simulate"]].concat()).contains("prefetch"));
    assert!(run(&[&target[..], &["--exec", "--", "no-such-command"]].concat()).contains("nor in PATH"));
    assert!(
        run(&[&target[..], &["--status-address", "192.0.2.1:80", "--simulate"]].concat())
            .contains("AWP_STATUS_ADDRESS")
    );
    assert!(run(&target).contains("--simulate"), "one kind of work is required");
}
