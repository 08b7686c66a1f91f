//! Where a group goes on that has no members.

use std::time::Duration;

use awp::brokers::kafka::{OffsetReset, Wanted};
use awp::scaling::observation::QueueReading;
use awp_testbed::{Kafka, kafka};

use crate::support::{ASLEEP, BUSY, NEW, plain, readers, wanted, watch};

fn latest(group: &str, topic: &str) -> Wanted {
    Wanted { reset: OffsetReset::Latest, ..wanted(group, &[topic]) }
}

#[tokio::test]
async fn tasks_that_come_at_zero_are_not_skipped_by_latest() {
    keeps_the_place_of_a_pool_at_zero(kafka().await).await;
}

pub async fn keeps_the_place_of_a_pool_at_zero(kafka: &Kafka) {
    let (topic, group) = (kafka.topic("tasks", 2).await.unwrap(), kafka.name("group"));
    kafka.produce(&topic, 0, &["old"; 7]).await.unwrap();
    let readers = readers();
    let pool = watch(&readers, &plain(kafka), &latest(&group, &topic), NEW);
    pool.lag(0).await;
    assert_eq!(kafka.committed(&group, &topic, &[0, 1]).await.unwrap(), [(0, 7), (1, 0)]);
    kafka.produce(&topic, 0, &["new"; 2]).await.unwrap();
    kafka.produce(&topic, 1, &["new"]).await.unwrap();
    pool.lag(3).await;
}

#[tokio::test]
async fn a_partition_added_at_zero_is_worked_on_from_its_start() {
    let kafka = kafka().await;
    let (topic, group) = (kafka.topic("tasks", 1).await.unwrap(), kafka.name("group"));
    let readers = readers();
    let pool = watch(&readers, &plain(kafka), &latest(&group, &topic), NEW);
    pool.lag(0).await;
    kafka.add_partitions(&topic, 2).await.unwrap();
    kafka.produce(&topic, 1, &["a"; 3]).await.unwrap();
    pool.lag(3).await;
    assert_eq!(kafka.committed(&group, &topic, &[0, 1]).await.unwrap(), [(0, 0), (1, 0)]);
}

#[tokio::test]
async fn a_paused_pool_commits_nothing() {
    let kafka = kafka().await;
    let (topic, group) = (kafka.topic("tasks", 1).await.unwrap(), kafka.name("group"));
    kafka.produce(&topic, 0, &["a"]).await.unwrap();
    let readers = readers();
    let paused = Wanted { keeps_position: false, ..latest(&group, &topic) };
    watch(&readers, &plain(kafka), &paused, NEW).lag(0).await;
    assert_eq!(kafka.committed(&group, &topic, &[0]).await.unwrap(), []);
}

#[tokio::test]
async fn commits_that_vanish_while_workers_are_there_are_unknown_and_never_nothing() {
    let kafka = kafka().await;
    let (topic, group) = (kafka.topic("tasks", 1).await.unwrap(), kafka.name("group"));
    kafka.produce(&topic, 0, &["a"; 9]).await.unwrap();
    kafka.commit(&group, &topic, &[(0, 2)]).await.unwrap();
    let readers = readers();
    for reset in [OffsetReset::Earliest, OffsetReset::Latest] {
        let pool = watch(&readers, &plain(kafka), &Wanted { reset, ..wanted(&group, &[&topic]) }, BUSY);
        pool.lag(7).await;
        kafka.delete_group(&group).await.unwrap();
        let why = pool.unknown("CommittedOffsetsExpired").await;
        assert!(why.message.contains("--reset-offsets"), "{why}");
        let nothing = |reading: &QueueReading| matches!(reading, QueueReading::Known(_));
        pool.never("it is known again", Duration::from_secs(3), nothing).await;
        kafka.commit(&group, &topic, &[(0, 2)]).await.unwrap();
        pool.lag(7).await;
    }
}

#[tokio::test]
async fn commits_that_vanish_while_a_pool_sleeps_are_put_back_with_what_was_noted_beside_them() {
    let kafka = kafka().await;
    let (topic, group) = (kafka.topic("tasks", 1).await.unwrap(), kafka.name("group"));
    kafka.produce(&topic, 0, &["a"; 9]).await.unwrap();
    assert_eq!(note(kafka, &group, &topic, Some("awp1:2:BD")).await, "awp1:2:BD");
    let readers = readers();
    let pool = watch(&readers, &plain(kafka), &wanted(&group, &[&topic]), ASLEEP);
    pool.lag(7).await;
    kafka.delete_group(&group).await.unwrap();
    let elsewhere = |reading: &QueueReading| !matches!(reading, QueueReading::Known(counts) if counts.ready == 7);
    pool.never("it stands somewhere else", Duration::from_secs(5), elsewhere).await;
    assert_eq!(kafka.committed(&group, &topic, &[0]).await.unwrap(), [(0, 2)]);
    assert_eq!(note(kafka, &group, &topic, None).await, "awp1:2:BD");
}

#[tokio::test]
async fn a_new_group_begins_at_the_time_its_pool_names() {
    let kafka = kafka().await;
    let (topic, group) = (kafka.topic("tasks", 2).await.unwrap(), kafka.name("group"));
    let week = 7 * 24 * 3_600_000;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    kafka.produce_at(&topic, 0, &["old"; 5], now - week).await.unwrap();
    kafka.produce_at(&topic, 0, &["recent"; 3], now - week / 2).await.unwrap();
    kafka.produce_at(&topic, 1, &["old"; 4], now - week).await.unwrap();
    let replay = Wanted { start_from: Some(now - week * 3 / 4), ..wanted(&group, &[&topic]) };
    let readers = readers();
    let pool = watch(&readers, &plain(kafka), &replay, NEW);
    pool.lag(3).await;
    // Nothing on the second partition is as new: it begins at the end.
    assert_eq!(kafka.committed(&group, &topic, &[0, 1]).await.unwrap(), [(0, 5), (1, 4)]);
    let lost = |reading: &QueueReading| matches!(reading, QueueReading::Unknown(_));
    pool.never("its own commits are no reason to refuse", Duration::from_secs(3), lost).await;
}

#[tokio::test]
async fn a_time_to_start_from_is_refused_where_the_group_has_begun() {
    let kafka = kafka().await;
    let (topic, group) = (kafka.topic("tasks", 1).await.unwrap(), kafka.name("group"));
    kafka.produce(&topic, 0, &["a"; 3]).await.unwrap();
    kafka.commit(&group, &topic, &[(0, 2)]).await.unwrap();
    let replay = Wanted { start_from: Some(0), ..wanted(&group, &[&topic]) };
    let readers = readers();
    let pool = watch(&readers, &plain(kafka), &replay, NEW);
    let why = pool.unknown("StartFromRefused").await;
    assert!(why.message.contains("name a new group"), "{why}");
    assert_eq!(kafka.committed(&group, &topic, &[0]).await.unwrap(), [(0, 2)]);
    drop(pool);
    watch(&readers, &plain(kafka), &replay, BUSY).lag(1).await;
}

#[tokio::test]
async fn what_a_worker_noted_beside_its_position_stays() {
    let kafka = kafka().await;
    let (topic, group) = (kafka.topic("tasks", 2).await.unwrap(), kafka.name("group"));
    kafka.produce(&topic, 0, &["a"; 9]).await.unwrap();
    let worker = "awp1:2:BD";
    assert_eq!(note(kafka, &group, &topic, Some(worker)).await, worker);
    let readers = readers();
    let pool = watch(&readers, &plain(kafka), &latest(&group, &topic), ASLEEP);
    pool.lag(7).await;
    awp_testbed::base::wait::until("the other partition is committed", Duration::from_secs(20), async || {
        Ok((kafka.committed(&group, &topic, &[0, 1]).await? == [(0, 2), (1, 0)]).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(note(kafka, &group, &topic, None).await, worker, "committed with it, and not overwritten");
}

/// What stands beside the group's commit of the first partition; `write` commits 2 with it before.
async fn note(kafka: &Kafka, group: &str, topic: &str, write: Option<&'static str>) -> String {
    use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
    let mut config = rdkafka::ClientConfig::new();
    config
        .set("bootstrap.servers", kafka.bootstrap().join(","))
        .set("group.id", group)
        .set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    let mut element = list.add_partition(topic, 0);
    if let Some(note) = write {
        element.set_offset(rdkafka::Offset::Offset(2)).unwrap();
        element.set_metadata(note);
    }
    let look = move || {
        if write.is_some() {
            consumer.commit(&list, CommitMode::Sync).unwrap();
        }
        let committed = consumer.committed_offsets(list, Duration::from_secs(10)).unwrap();
        committed.elements()[0].metadata().to_owned()
    };
    tokio::task::spawn_blocking(look).await.unwrap()
}
