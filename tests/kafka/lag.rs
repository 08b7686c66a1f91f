//! What waits: commits, ends, retention, topics that change.

use std::time::Duration;

use awp::brokers::kafka::{Isolation, OffsetReset, Wanted};
use awp::scaling::observation::{Partitions, QueueReading};
use awp_testbed::kafka;

use crate::support::{ASLEEP, BUSY, plain, readers, wanted, watch};

#[tokio::test]
async fn without_a_commit_the_reset_policy_says_what_waits() {
    let kafka = kafka().await;
    let topic = kafka.topic("tasks", 2).await.unwrap();
    kafka.produce(&topic, 0, &["a", "b", "c"]).await.unwrap();
    kafka.delete_records(&topic, 0, 1).await.unwrap();
    let readers = readers();
    let earliest = wanted(&kafka.name("earliest"), &[&topic]);
    let latest = Wanted { reset: OffsetReset::Latest, ..wanted(&kafka.name("latest"), &[&topic]) };
    let counts = watch(&readers, &plain(kafka), &earliest, BUSY).lag(2).await;
    assert_eq!(counts.partitions, Some(Partitions { assignable: 2, lagging: 1 }));
    watch(&readers, &plain(kafka), &latest, BUSY).lag(0).await;
}

#[tokio::test]
async fn lag_follows_commits_arrivals_and_retention() {
    let kafka = kafka().await;
    let (topic, group) = (kafka.topic("tasks", 2).await.unwrap(), kafka.name("group"));
    let readers = readers();
    let pool = watch(&readers, &plain(kafka), &wanted(&group, &[&topic]), BUSY);
    pool.lag(0).await;
    kafka.produce(&topic, 0, &["a"; 10]).await.unwrap();
    kafka.produce(&topic, 1, &["a"; 5]).await.unwrap();
    pool.lag(15).await;
    kafka.commit(&group, &topic, &[(0, 4), (1, 5)]).await.unwrap();
    pool.lag(6).await;
    // Log starts are looked up every 20 s.
    kafka.delete_records(&topic, 0, 8).await.unwrap();
    pool.lag(2).await;
    kafka.commit(&group, &topic, &[(0, 10)]).await.unwrap();
    pool.lag(0).await;
}

#[tokio::test]
async fn a_partition_that_is_added_counts() {
    let kafka = kafka().await;
    let (topic, group) = (kafka.topic("tasks", 1).await.unwrap(), kafka.name("group"));
    let readers = readers();
    let pool = watch(&readers, &plain(kafka), &wanted(&group, &[&topic]), BUSY);
    pool.lag(0).await;
    kafka.add_partitions(&topic, 3).await.unwrap();
    kafka.produce(&topic, 2, &["a"; 4]).await.unwrap();
    let counts = pool.lag(4).await;
    assert_eq!(counts.partitions, Some(Partitions { assignable: 3, lagging: 1 }));
}

#[tokio::test]
async fn a_topic_made_anew_is_read_anew() {
    let kafka = kafka().await;
    let (topic, group) = (kafka.topic("tasks", 1).await.unwrap(), kafka.name("group"));
    kafka.produce(&topic, 0, &["a"; 9]).await.unwrap();
    kafka.commit(&group, &topic, &[(0, 9)]).await.unwrap();
    let readers = readers();
    let pool = watch(&readers, &plain(kafka), &wanted(&group, &[&topic]), BUSY);
    pool.lag(0).await;
    kafka.delete_topic(&topic).await.unwrap();
    pool.unknown("TopicMissing").await;
    kafka.create_topic(&topic, 1, &[]).await.unwrap();
    kafka.produce(&topic, 0, &["b"; 3]).await.unwrap();
    pool.lag(3).await;
}

#[tokio::test]
async fn several_topics_are_summed_and_a_strangers_topic_of_the_group_is_not() {
    let kafka = kafka().await;
    let group = kafka.name("group");
    let mut topics = Vec::new();
    for count in [2, 3, 50] {
        let topic = kafka.topic("tasks", 1).await.unwrap();
        kafka.produce(&topic, 0, &vec!["a"; count]).await.unwrap();
        kafka.commit(&group, &topic, &[(0, 0)]).await.unwrap();
        topics.push(topic);
    }
    let readers = readers();
    let counts = watch(&readers, &plain(kafka), &wanted(&group, &[&topics[0], &topics[1]]), BUSY).lag(5).await;
    assert_eq!(counts.partitions.unwrap().assignable, 2);
}

#[tokio::test]
async fn open_transactions_wait_for_nobody_who_reads_committed() {
    let kafka = kafka().await;
    let (topic, group) = (kafka.topic("tasks", 1).await.unwrap(), kafka.name("group"));
    let open = kafka.transaction(&topic, 0, &["a"; 4]).await.unwrap();
    let readers = readers();
    let committed = watch(&readers, &plain(kafka), &wanted(&group, &[&topic]), BUSY);
    let all = Wanted { isolation: Isolation::ReadUncommitted, ..wanted(&group, &[&topic]) };
    watch(&readers, &plain(kafka), &all, BUSY).lag(4).await;
    committed.lag(0).await;
    open.commit().await.unwrap();
    // The marker counts until somebody has committed up to it.
    committed.lag(5).await;
}

#[tokio::test]
async fn what_a_transaction_leaves_behind_wakes_nobody_and_keeps_nobody_awake() {
    let kafka = kafka().await;
    let (topic, group) = (kafka.topic("tasks", 1).await.unwrap(), kafka.name("group"));
    kafka.transaction(&topic, 0, &["a"; 4]).await.unwrap().commit().await.unwrap();
    // A consumer commits behind the last record it was given.
    kafka.commit(&group, &topic, &[(0, 4)]).await.unwrap();
    let readers = readers();
    let asleep = watch(&readers, &plain(kafka), &wanted(&group, &[&topic]), ASLEEP);
    let wakes = |reading: &QueueReading| matches!(reading, QueueReading::Known(counts) if counts.ready > 0);
    asleep.lag(0).await;
    asleep.never("a marker wakes the pool", Duration::from_secs(3), wakes).await;
    let awake = Wanted { keeps_position: false, ..wanted(&group, &[&topic]) };
    watch(&readers, &plain(kafka), &awake, BUSY).lag(0).await;
    // An aborted one leaves records that nobody is given.
    kafka.transaction(&topic, 0, &["a"; 20]).await.unwrap().abort().await.unwrap();
    asleep.never("aborted tasks wake the pool", Duration::from_secs(3), wakes).await;
    kafka.produce(&topic, 0, &["a"]).await.unwrap();
    asleep.known("a task behind them does", |counts| counts.ready > 0).await;
}
