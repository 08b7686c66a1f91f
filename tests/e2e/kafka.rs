//! The main job on Kafka: a pool wakes, spreads over the partitions, works and sleeps again.

use awp_testbed::kafka;
use serde_json::json;

use crate::bench::POOL;
use crate::cluster::bench;

const PARTITIONS: i32 = 6;
const EACH: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_on_kafka_wakes_works_and_sleeps_again() {
    let (bench, kafka) = tokio::join!(bench("kafka"), kafka());
    let topic = kafka.topic("tasks", PARTITIONS as usize).await.unwrap();
    let failed = kafka.topic("failed", 1).await.unwrap();
    let group = kafka.name("agents");
    let mut pool = bench.pool(&["--simulate"]);
    pool["spec"]["broker"] =
        json!({"kafka": {"bootstrapServers": kafka.bootstrap(), "topics": [topic], "group": group}});
    pool["spec"]["deadLetter"] = json!({"queue": failed});
    pool["spec"]["scaling"]["maxReplicas"] = json!(20);
    let bench = bench.with(&pool).await;
    let replicas = bench.record(POOL);

    let tasks = vec![r#"{"durationSeconds":2}"#; EACH];
    let produced = (0..PARTITIONS).map(|partition| kafka.produce(&topic, partition, &tasks));
    futures::future::try_join_all(produced).await.unwrap();
    let all: Vec<i32> = (0..PARTITIONS).collect();
    bench
        .until("every task is committed", async || {
            let committed = kafka.committed(&group, &topic, &all).await?;
            Ok(committed.len() == all.len() && committed.iter().all(|(_, offset)| usize::try_from(*offset) == Ok(EACH)))
        })
        .await;
    bench.until_asleep().await;

    let history = replicas.history();
    assert_eq!(history.first(), Some(&0));
    assert_eq!(history.iter().max(), Some(&PARTITIONS), "a worker for each partition and no more: {history:?}");
    let logs = bench.logs();
    assert_eq!(logs.done().len(), EACH * PARTITIONS as usize);
    assert!(logs.done().values().all(|times| *times == 1), "each once: {:?}", logs.done());
    assert!(logs.disturbed().is_empty(), "{:?}", logs.disturbed());
}
