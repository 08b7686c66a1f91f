//! The main job on Kafka: a pool wakes, spreads over the partitions, works and sleeps again.

use awp_testbed::kafka;
use awp_testbed::kafka::Kafka;
use serde_json::{Value, json};

use crate::bench::{Bench, POOL};
use crate::cluster::bench;

const PARTITIONS: i32 = 6;
const EACH: usize = 4;

fn pool(bench: &Bench<'_>, kafka: &Kafka, topic: &str, group: &str, failed: &str) -> Value {
    let mut pool = bench.pool(&["--simulate"]);
    pool["spec"]["broker"] =
        json!({"kafka": {"bootstrapServers": kafka.bootstrap(), "topics": [topic], "group": group}});
    pool["spec"]["deadLetter"] = json!({"queue": failed});
    pool
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_on_kafka_wakes_works_and_sleeps_again() {
    let (bench, kafka) = tokio::join!(bench("kafka"), kafka());
    let topic = kafka.topic("tasks", PARTITIONS as usize).await.unwrap();
    let failed = kafka.topic("failed", 1).await.unwrap();
    let group = kafka.name("agents");
    let mut pool = pool(&bench, kafka, &topic, &group, &failed);
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

#[tokio::test(flavor = "multi_thread")]
async fn pools_that_name_one_cluster_by_other_addresses_meet_and_dead_letters_are_counted() {
    let (bench, kafka) = tokio::join!(bench("kafka-shared"), kafka());
    let (topic, failed) = (kafka.topic("tasks", 2).await.unwrap(), kafka.topic("failed", 2).await.unwrap());
    let group = kafka.name("agents");
    kafka.produce(&failed, 0, &["a"; 3]).await.unwrap();
    let mut other = pool(&bench, kafka, &topic, &group, &failed);
    other["metadata"]["name"] = json!("other");
    let addresses: Vec<String> = kafka.bootstrap().iter().map(|it| it.replace("127.0.0.1", "localhost")).collect();
    other["spec"]["broker"]["kafka"]["bootstrapServers"] = json!(addresses);
    let pool = pool(&bench, kafka, &topic, &group, &failed);
    let bench = bench.with(&pool).await;
    bench.until("the depth is known", async || Ok(bench.status().await?["deadLetter"]["depth"] == 3)).await;
    assert_eq!(bench.condition("QueueShared").await.unwrap(), "", "it is alone");
    bench.apply(&other).await;
    bench.until("they meet", async || Ok(bench.condition("QueueShared").await? == "True")).await;
    bench.cluster.plane.kubectl_output(&["-n", &bench.namespace, "delete", "awp/other"]).await.unwrap();
    bench.until("it is alone again", async || Ok(bench.condition("QueueShared").await?.is_empty())).await;
}
