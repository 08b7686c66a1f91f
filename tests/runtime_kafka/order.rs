//! Tasks of one partition end in any order.

use std::time::Duration;

use awp_testbed::Kafka;
use rustix::process::Signal;

use crate::bench::{Bench, protocols};
use crate::faults::impatient;

/// The task `slow` goes on until there is a file `go`.
fn waits(bench: &Bench) -> String {
    let go = bench.path("go");
    bench.script(&format!("if [ $AWP_TASK_ID = slow ]; then until [ -e {} ]; do sleep 0.1; done; fi", go.display()))
}

async fn slow_and_others(bench: &Bench, others: usize) -> Vec<String> {
    let ids = std::iter::once("slow".to_owned()).chain((1..=others).map(|n| format!("t{n}")));
    let lines: String = ids.map(|id| format!("{{\"id\":\"{id}\",\"body\":1}}\n")).collect();
    let published = bench.publish_input(&["--key", "one", "--file", "-"], &lines).await;
    assert!(published.status.success(), "{published:?}");
    String::from_utf8(published.stdout).unwrap().lines().map(Into::into).collect()
}

async fn after(kafka: &'static Kafka, protocol: &str, end: impl AsyncFnOnce(&Bench, crate::worker_process::Worker)) {
    let bench = Bench::on(kafka, "order", 1).await;
    let script = waits(&bench);
    let ids = slow_and_others(&bench, 9).await;
    let args = ["--prefetch", "3", "--group-protocol", protocol, "--exec", "--", "sh", &script];
    let first = bench.worker(&args).await;
    first.until_status("nine done", |status| status.completed == Some(9)).await;
    assert_eq!(bench.committed().await, 0, "the first is not done");
    end(&bench, first).await;

    std::fs::write(bench.path("go"), "").unwrap();
    let second = bench.worker(&args).await;
    bench.until_committed(10).await;
    second.until_status("one done", |status| status.completed == Some(1) && status.in_flight == 0).await;
    let mut begun = bench.lines("begun");
    begun.sort();
    let mut expected = ids.clone();
    expected.push("slow".to_owned());
    expected.sort();
    assert_eq!(begun, expected, "{protocol}: only the one that was not done runs again");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_only_what_was_not_done_runs_again() {
    for protocol in protocols() {
        after(impatient().await, protocol, async |_, mut worker| {
            worker.signal(Signal::KILL);
            worker.ended().await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_second_signal_only_what_was_not_done_runs_again() {
    after(impatient().await, "Consumer", async |_, mut worker| {
        worker.terminate();
        tokio::time::sleep(Duration::from_millis(500)).await;
        worker.terminate();
        assert_eq!(worker.ended().await.code(), Some(1));
    })
    .await;
}
