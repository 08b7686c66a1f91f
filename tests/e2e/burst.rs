//! What happens on a good day.

use serde_json::json;

use crate::bench::POOL;
use crate::cluster::bench;

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_wakes_the_pool_in_one_step_is_done_once_and_the_pool_sleeps_again() {
    let bench = bench("burst").await;
    let pool = bench.pool(&["--simulate"]);
    let bench = bench.with(&pool).await;
    let replicas = bench.record(POOL);
    let ids = bench.burst(40, "0.5,1,2").await;
    bench.until_done(&ids).await;
    bench.until_asleep().await;

    let history = replicas.history();
    assert_eq!(history[..2], [0, 4], "from zero to the size it takes in one step: {history:?}");
    let back = &history[1..];
    assert!(back.is_sorted_by(|a, b| a >= b) && back.last() == Some(&0), "and back, never up again: {history:?}");
    let logs = bench.logs();
    assert!(logs.done().into_iter().all(|(id, times)| times == 1 && ids.contains(&id)), "each once");
    assert!(logs.disturbed().is_empty(), "{:?}", logs.disturbed());
    assert_eq!(bench.redelivered().await, 0);
    assert_eq!(bench.broker.counts(&bench.vhost, crate::bench::FAILED).await.unwrap().ready, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_worker_is_never_stopped_by_a_scale_down() {
    let bench = bench("busy").await;
    let mut pool = bench.pool(&["--simulate"]);
    pool["spec"]["scaling"] =
        json!({"maxReplicas": 6, "startWithin": "60s", "taskDuration": "20s", "scaleDownWindow": "0s"});
    let bench = bench.with(&pool).await;
    let replicas = bench.record(POOL);
    let mut lines = r#"{"durationSeconds":20}"#.to_owned() + "\n";
    lines = (0..24)
        .map(|n| if n % 8 == 3 { lines.clone() } else { r#"{"durationSeconds":2}"#.to_owned() + "\n" })
        .collect();
    let ids = bench.publish(&["--file", "-"], &lines).await;
    bench.until_done(&ids).await;
    let stopped_before_the_end = bench.logs().stopped().len();
    bench.until_asleep().await;

    let logs = bench.logs();
    assert!(stopped_before_the_end > 0, "idle workers left while others were busy: {:?}", replicas.history());
    assert!(logs.stopped().iter().all(|(_, in_flight)| *in_flight == 0), "{:?}", logs.stopped());
    assert_eq!(logs.stopped().len(), logs.workers().len());
    assert!(logs.disturbed().is_empty(), "{:?}", logs.disturbed());
    assert_eq!(bench.redelivered().await, 0);
}
