//! `examples/worker.py` keeps the same contract. Runs where Python has pika
//! (`AWP_TEST_PYTHON` names another interpreter than `python3`).

use std::path::Path;

use crate::bench::{Bench, FAILED, header};
use crate::worker_process::Worker;

fn python() -> Option<String> {
    let python = std::env::var("AWP_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = std::process::Command::new(&python).args(["-c", "import pika"]).output().ok()?.status.success();
    found.then_some(python)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_in_python_keeps_the_contract() {
    let Some(python) = python() else {
        println!("NOT RUN: python3 has no pika (pip install pika)");
        return;
    };
    let bench = Bench::new("python").await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/worker.py");
    let mut worker = Worker::script(&python, &script, &bench, 2);
    worker.until_log("taking tasks").await;

    bench.simulated("0.1", "6").await;
    bench.published(&["not what the agent reads"]).await;
    worker.until_status("done", |status| status.completed == Some(6) && status.in_flight == 0).await;
    let letter = &bench.take(FAILED, 1).await[0];
    assert_eq!(header(letter, "awp-reason").as_deref(), Some("the agent raised JSONDecodeError"));
    assert_eq!(letter.data, b"not what the agent reads");

    bench.simulated("2", "4").await;
    let status = worker.until_status("two at work", |status| status.in_flight == 2).await;
    assert_eq!((status.slots, status.failed), (Some(2), Some(1)));
    worker.terminate();
    assert_eq!(worker.ended().await.code(), Some(0));
    bench.until_counts(2, 0).await;
    assert!(
        worker.log().iter().filter(|line| line.contains(r#""acknowledged": true"#)).count() == 9,
        "{:#?}",
        worker.log()
    );
}
