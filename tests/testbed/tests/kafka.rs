//! Apache Kafka, of one broker and three.

use awp_testbed::kafka::{Kafka, Options};

#[tokio::test]
async fn one_broker_keeps_records_commits_and_transactions() {
    let kafka = awp_testbed::kafka().await;
    let topic = kafka.topic("tasks", 2).await.unwrap();
    kafka.produce(&topic, 1, &["a", "b"]).await.unwrap();
    let group = kafka.name("group");
    kafka.commit(&group, &topic, &[(1, 1)]).await.unwrap();
    assert_eq!(kafka.committed(&group, &topic, &[0, 1]).await.unwrap(), [(1, 1)]);
    kafka.transaction(&topic, 0, &["c"]).await.unwrap().commit().await.unwrap();
    kafka.delete_records(&topic, 1, 1).await.unwrap();
    kafka.add_partitions(&topic, 3).await.unwrap();
    kafka.delete_topic(&topic).await.unwrap();
}

#[tokio::test]
async fn a_broker_of_three_stops_hangs_and_comes_back() {
    let kafka = Kafka::start(Options { brokers: 3, ..Options::default() }).await.unwrap();
    let topic = kafka.topic("tasks", 3).await.unwrap();
    let others = |id: i32| kafka.broker(id).unwrap();
    others(2).kill().await.unwrap();
    for partition in 0..3 {
        kafka.produce(&topic, partition, &["still there"]).await.unwrap();
    }
    kafka.start_again(2).await.unwrap();
    others(3).pause().await.unwrap();
    others(3).resume().await.unwrap();
    others(1).stop().await.unwrap();
    kafka.produce(&topic, 0, &["again"]).await.unwrap();
    kafka.shut_down().await.unwrap();
}
