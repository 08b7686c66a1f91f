//! `awp worker` on SQS in ordinary life.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::bench::Bench;

#[tokio::test(flavor = "multi_thread")]
async fn every_task_is_done_once_and_deleted() {
    let bench = Bench::new("once", "").await;
    let script = format!("cat >/dev/null; echo $AWP_TASK_ID >> {}", bench.path("done").display());
    let published: BTreeSet<String> = bench.published(&["1", "--count", "60"]).await.into_iter().collect();
    let args = ["--prefetch", "3", "--exec", "--", "sh", "-c", &script];
    let workers = [bench.worker(&args).await, bench.worker(&args).await];
    let done = bench.until_lines("done", 60).await;
    bench.until_empty().await;
    assert_eq!(done.len(), 60, "none twice");
    assert_eq!(done.into_iter().collect::<BTreeSet<_>>(), published);
    let mut completed = 0;
    for worker in &workers {
        completed += worker.until_status("idle", |status| status.in_flight == 0).await.completed.unwrap();
        assert!(!worker.log().contains("hunter2"));
    }
    assert_eq!(completed, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_holds_no_more_than_its_prefetch() {
    let bench = Bench::new("prefetch", "").await;
    bench.published(&["--durations", "2", "--count", "12"]).await;
    let worker = bench.worker(&["--prefetch", "4", "--simulate"]).await;
    worker.until_status("four at work", |status| status.in_flight == 4).await;
    let counts = bench.sqs.counts(&bench.queue).await.unwrap();
    assert!(counts.in_flight <= 4, "{counts:?}");
    let status = worker.until_status("all done", |status| status.completed == Some(12)).await;
    assert_eq!(status.failed, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_longer_than_the_visibility_timeout_is_not_given_to_another() {
    let bench = Bench::new("renewed", "").await;
    bench.published(&["--durations", "12", "--count", "2"]).await;
    let args = ["--prefetch", "1", "--visibility-timeout", "3s", "--simulate"];
    let workers = [bench.worker(&args).await, bench.worker(&args).await];
    for worker in &workers {
        worker.until_status("its task", |status| status.in_flight == 1).await;
    }
    bench.until_empty().await;
    let mut completed = 0;
    for worker in &workers {
        completed += worker.status().await.unwrap().completed.unwrap();
    }
    assert_eq!(completed, 2, "none was done twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_fails_is_dead_lettered_with_the_reason() {
    let bench = Bench::new("failing", "").await;
    let lines = "{\"id\": \"t1\", \"type\": \"review\", \"body\": 1}\n";
    bench.publish(&["--file", "-"], lines).await;
    let _worker = bench.worker(&["--exec", "--", "sh", "-c", "echo no luck >&2; exit 3"]).await;
    bench.until_empty().await;
    let letters = bench.sqs.receive(&bench.failed, 30).await.unwrap();
    assert_eq!(letters.len(), 1);
    let read = |name: &str| letters[0]["MessageAttributes"][name]["StringValue"].as_str().unwrap_or_default();
    assert_eq!((read("awp-task-id"), read("awp-task-type"), read("awp-attempt")), ("t1", "review", "1"));
    assert!(read("awp-reason").contains('3'), "{}", read("awp-reason"));
    assert!(bench.queue.ends_with(read("awp-original-queue")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_killed_leaves_its_task_to_another() {
    let bench = Bench::new("killed", "").await;
    bench.published(&["--durations", "30", "--count", "1"]).await;
    let args = ["--visibility-timeout", "3s", "--simulate"];
    let mut first = bench.worker(&args).await;
    first.until_status("its task", |status| status.in_flight == 1).await;
    first.signal(rustix::process::Signal::KILL);
    first.ended().await;
    let second = bench.worker(&args).await;
    second.until_status("the task that was left", |status| status.in_flight == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_of_one_group_run_one_by_one_and_groups_side_by_side() {
    let bench = Bench::new("groups", ".fifo").await;
    bench.sqs.send(&bench.queue, (0..9).map(|_| "{\"durationSeconds\":1}".to_owned()), 3).await.unwrap();
    let worker = bench.worker(&["--prefetch", "8", "--simulate"]).await;
    let mut most = 0;
    let begun = tokio::time::Instant::now();
    loop {
        let status = worker.status().await.unwrap();
        most = most.max(status.in_flight);
        assert!(status.in_flight <= 3, "three groups keep three slots busy: {status:?}");
        if status.completed == Some(9) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", worker.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(most, 3);
    assert!(begun.elapsed() > Duration::from_secs(2), "three rounds of a second at least");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_a_place_for_dead_letters_does_not_start() {
    let bench = Bench::new("nowhere", "").await;
    let mut awp = tokio::process::Command::new(env!("CARGO_BIN_EXE_awp"));
    awp.args(["worker", "--broker", "sqs", "--queue-url", &bench.queue, "--region", "eu-central-1", "--simulate"]);
    let output = awp.args(["--endpoint", &bench.sqs.endpoint()]).output().await.unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && words.contains("AWP_DEAD_LETTER"), "{words}");
}
