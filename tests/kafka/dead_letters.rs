//! How full the topic for dead letters is.

use awp_testbed::kafka;

use crate::support::{ASLEEP, BUSY, plain, readers, wanted, watch, watch_with};

#[tokio::test]
async fn a_pool_sees_what_its_topic_for_dead_letters_keeps() {
    let kafka = kafka().await;
    let (topic, failed, group) =
        (kafka.topic("tasks", 1).await.unwrap(), kafka.topic("failed", 2).await.unwrap(), kafka.name("group"));
    kafka.produce(&failed, 0, &["a"; 3]).await.unwrap();
    kafka.produce(&failed, 1, &["a"; 2]).await.unwrap();
    kafka.delete_records(&failed, 0, 1).await.unwrap();
    let (readers, wanted) = (readers(), wanted(&group, &[&topic]));
    let without = watch(&readers, &plain(kafka), &wanted, ASLEEP);
    let with = watch_with(&readers, &plain(kafka), &wanted, BUSY, Some(&failed));
    with.known("four", |counts| counts.dead_letters == Some(4)).await;
    assert_eq!(without.lag(0).await.dead_letters, None, "the other pool on the group names no topic");
}

#[tokio::test]
async fn a_topic_for_dead_letters_that_is_not_there_is_unknown_until_it_is() {
    let kafka = kafka().await;
    let (topic, failed, group) = (kafka.topic("tasks", 1).await.unwrap(), kafka.name("failed"), kafka.name("group"));
    kafka.produce(&topic, 0, &["a"; 2]).await.unwrap();
    let readers = readers();
    let pool = watch_with(&readers, &plain(kafka), &wanted(&group, &[&topic]), BUSY, Some(&failed));
    assert_eq!(pool.lag(2).await.dead_letters, None, "its own topic is read all the same");
    let why = pool.gap("the gap", |gaps| gaps.facts).await;
    assert!(why.reason == "TopicMissing" && why.message.contains(&failed), "{why}");
    kafka.create_topic(&failed, 1, &[]).await.unwrap();
    kafka.produce(&failed, 0, &["a"]).await.unwrap();
    pool.known("one", |counts| counts.dead_letters == Some(1)).await;
    assert_eq!(pool.subscription.gaps().facts, None);
}
