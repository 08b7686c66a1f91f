//! What breaks: the last decision holds, nothing is lost, and recovery needs no hand.

use std::time::Duration;

use awp_testbed::RabbitMq;
use awp_testbed::rabbitmq::Options;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::bench::{Bench, POOL};
use crate::cluster::{Cluster, bench};

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_killed_in_mid_burst_scales_nothing_down_and_goes_on_when_it_is_back() {
    let bench = bench("killed").await;
    let pool = bench.pool(&["--simulate"]);
    let bench = bench.with(&pool).await;
    let replicas = bench.record(POOL);
    let ids = bench.burst(48, "2,3").await;
    bench.until("work has begun", async || Ok(!bench.logs().done().is_empty())).await;
    bench.operator.kill().await.unwrap();
    let done = bench.logs().done().len();
    bench.until("workers go on without it", async || Ok(bench.logs().done().len() > done + 4)).await;
    bench.operator.start_again().await.unwrap();
    bench.until_done(&ids).await;
    bench.until_asleep().await;

    // The queue was empty when only eight tasks, what four workers hold, were still to end.
    let empty = bench.logs().ends()[48 - 9];
    assert!(replicas.falls().iter().all(|fall| *fall > empty), "{:?} {empty}", replicas.history());
    assert!(bench.logs().disturbed().is_empty(), "{:?}", bench.logs().disturbed());
    assert_eq!(bench.redelivered().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_restarted_in_mid_burst_loses_no_task_and_costs_no_worker() {
    let broker = RabbitMq::start(Options::default()).await.unwrap();
    let bench = Bench::new(Cluster::shared().await, &broker, "outage").await;
    let pool = bench.pool(&["--simulate"]);
    let bench = bench.with(&pool).await;
    let replicas = bench.record(POOL);
    let ids = bench.burst(40, "2,3").await;
    bench.until("work has begun", async || Ok(!bench.logs().done().is_empty())).await;
    broker.kill().await.unwrap();
    bench.until("the operator says so", async || Ok(bench.condition("BacklogKnown").await? == "False")).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!((replicas.now(), replicas.falls().len()), (4, 0), "the last decision holds");
    broker.start_again().await.unwrap();
    bench.until("the queue is read again", async || Ok(bench.condition("BacklogKnown").await? == "True")).await;
    assert_eq!(replicas.falls().len(), 0, "{:?}", replicas.history());
    bench.until_done(&ids).await;
    bench.until_asleep().await;
    assert!(bench.logs().stopped().iter().all(|(_, in_flight)| *in_flight == 0), "{:?}", bench.logs().stopped());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tasks_of_a_killed_worker_are_done_by_others() {
    let bench = bench("worker-killed").await;
    let pool = bench.pool(&["--simulate"]);
    let bench = bench.with(&pool).await;
    let ids = bench.burst(20, "3").await;
    bench.until("work has begun", async || Ok(bench.logs().done().len() >= 2)).await;
    let victim = bench.logs().workers()[0].to_owned();
    kill_process(process_of(&victim), Signal::KILL).unwrap();
    bench.until_done(&ids).await;
    bench.until_asleep().await;

    let again = bench.redelivered().await;
    assert!((1..=2).contains(&again), "what it held was delivered again: {again}");
    let repeated = bench.logs().disturbed().len() as u64;
    assert_eq!(repeated, again, "{:?}", bench.logs().disturbed());
}

/// The process that runs as this pod.
fn process_of(pod: &str) -> Pid {
    let variable = format!("AWP_POD={pod}");
    let mut processes = std::fs::read_dir("/proc").unwrap().flatten();
    let found = processes.find_map(|process| {
        let environment = std::fs::read(process.path().join("environ")).ok()?;
        let ours = environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes());
        ours.then(|| process.file_name().to_string_lossy().parse().ok()).flatten()
    });
    Pid::from_raw(found.unwrap_or_else(|| panic!("no process of {pod}"))).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_go_on_while_the_api_server_is_away_and_the_operator_recovers() {
    let (cluster, broker) = tokio::join!(Cluster::start(), awp_testbed::rabbitmq());
    let bench = Bench::new(&cluster, broker, "headless").await;
    let mut pool = bench.pool(&["--simulate"]);
    pool["spec"]["scaling"]["maxReplicas"] = json!(3);
    let bench = bench.with(&pool).await;
    let replicas = bench.record(POOL);
    let ids = bench.burst(40, "3").await;
    bench.until("work has begun", async || Ok(!bench.logs().done().is_empty())).await;
    cluster.plane.stop_api_server().await.unwrap();
    let done = bench.logs().done().len();
    tokio::time::sleep(Duration::from_secs(15)).await;
    let more = bench.logs().done().len() - done;
    assert!(more >= 20, "six slots end 30 tasks of 3 s in 15 s: {more}");
    cluster.plane.start_api_server().await.unwrap();
    bench.until_done(&ids).await;
    bench.until_asleep().await;

    assert_eq!(replicas.history().iter().max(), Some(&3));
    assert!(bench.logs().disturbed().is_empty(), "{:?}", bench.logs().disturbed());
    assert_eq!(bench.redelivered().await, 0);
}
