//! Workers come and go while tasks run.

use crate::bench::{Bench, protocols};

#[tokio::test(flavor = "multi_thread")]
async fn scaling_up_and_down_while_tasks_run_runs_none_twice() {
    for protocol in protocols() {
        let bench = Bench::new("rebalance", 4).await;
        let script = bench.script("sleep 3");
        let mut ids = bench.published(&["1", "--count", "24"]).await;
        let args = ["--prefetch", "4", "--group-protocol", protocol, "--exec", "--", "sh", &script];
        let mut first = bench.worker(&args).await;
        first.until_status("busy", |status| status.in_flight == 4).await;

        let second = bench.worker(&args).await;
        second.until_status("busy as well", |status| status.in_flight > 0).await;
        let third = bench.worker(&args).await;
        third.until_log("partitions taken").await;
        ids.extend(bench.published(&["1", "--count", "12"]).await);
        first.until_status("busy", |status| status.in_flight > 0).await;
        first.terminate();
        assert_eq!(first.ended().await.code(), Some(0));

        bench.until_lines("ended", ids.len()).await;
        bench.until_committed(36).await;
        bench.assert_once(&ids);
        for worker in [&first, &second, &third] {
            let interrupted = worker.log().into_iter().find(|line| line.contains("interrupted"));
            assert!(interrupted.is_none_or(|line| line.contains(r#""interrupted":0"#)), "{protocol}");
        }
        assert!(second.status().await.completed.unwrap() > 0, "{protocol}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_goes_to_a_new_worker_only_when_its_long_task_has_ended() {
    let bench = Bench::new("patient", 2).await;
    let script = bench.script("sleep 8");
    let ids = bench.published(&["1", "--count", "8"]).await;
    let args = ["--prefetch", "8", "--exec", "--", "sh", &script];
    let first = bench.worker(&args).await;
    first.until_status("all begun", |status| status.in_flight == 8).await;
    let second = bench.worker(&args).await;
    first.until_log("when their tasks have ended").await;
    assert_eq!(second.status().await.in_flight, 0);
    second.until_log("partitions taken").await;
    bench.until_committed(8).await;
    bench.assert_once(&ids);
    assert_eq!(second.status().await.completed, Some(0));
    // The records that were not begun are not lost with the partition.
    bench.published(&["1", "--count", "8"]).await;
    second.until_status("it works too", |status| status.in_flight > 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_are_added_are_worked_on() {
    let bench = Bench::new("grown", 1).await;
    let worker = bench.worker(&["--simulate"]).await;
    worker.until_log("partitions taken").await;
    bench.kafka.add_partitions(&bench.topic, 3).await.unwrap();
    for partition in 0..3 {
        bench.kafka.produce(&bench.topic, partition, &[r#"{"durationSeconds":0}"#]).await.unwrap();
    }
    worker.until_status("all done", |status| status.completed == Some(3)).await;
}
