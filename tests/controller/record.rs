//! One's own load: recorded by the operator, replayed by `awp simulate`.

use std::process::Command;

use serde_json::{Value, json};

use crate::stage::Stage;
use crate::worker::Worker;

#[tokio::test]
async fn a_recorded_pool_can_be_replayed_and_no_other_is_recorded() {
    let stage = Stage::start("record").await;
    stage.queued("tasks", 6).await;
    stage.queued("others", 1).await;
    stage.apply(&stage.pool("other").on_queue("others")).await;
    let recorded = stage.pool("research").with("metadata/annotations", json!({ "agentworkers.io/record": "true" }));
    stage.apply(&recorded.holding(2)).await;
    let mut workers = Vec::new();
    for pod in stage.running("research", 3).await {
        workers.push(Worker::holding(&stage, "tasks", &pod, 2).await);
    }
    stage
        .until("all six tasks are seen in flight", async || {
            (stage.status("research").await.backlog?.in_flight == Some(6)).then_some(())
        })
        .await;
    for worker in &mut workers {
        worker.finish().await;
    }
    stage.running("research", 0).await;

    let log = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(log.path(), stage.operator.log()).unwrap();
    let file = log.path().to_str().unwrap();
    // Without a name: the log holds the readings of one pool only.
    let answer = Command::new(env!("CARGO_BIN_EXE_awp"))
        .args(["simulate", "--log", file, "--prefetch", "1", "--startup", "1s", "-o", "json"])
        .output()
        .unwrap();
    assert!(answer.status.success(), "{}\n{}", String::from_utf8_lossy(&answer.stderr), stage.story());
    let told: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(told["load"]["tasks"], 6, "{told:#}\n{}", stage.story());
    assert_eq!(told["recorded"]["open"], 0, "{told:#}\n{}", stage.story());
    assert!(told["recorded"]["workerHours"].as_f64().unwrap() > 0.0, "{told:#}");
    assert_eq!(told["runs"][0]["mostWorkers"], 6.0, "one task a worker: {told:#}");
}
