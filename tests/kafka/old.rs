//! Brokers that are older than those of the other tests.

use awp_testbed::Kafka;
use awp_testbed::install::kafka::OLD;
use awp_testbed::kafka::Options;

use crate::support::{ASLEEP, BUSY, plain, readers, wanted, watch, watch_with};
use crate::{members, position};

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_before_3_0_is_read_as_any_other() {
    is_read_as_any_other(OLD[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_before_4_0_is_read_as_any_other() {
    is_read_as_any_other(OLD[1]).await;
}

async fn is_read_as_any_other(version: &str) {
    let kafka = Kafka::start(Options { version: version.to_owned(), ..Options::default() }).await.unwrap();
    let (topic, failed) = (kafka.topic("tasks", 3).await.unwrap(), kafka.topic("failed", 1).await.unwrap());
    let groups: Vec<String> = (0..20).map(|_| kafka.name("group")).collect();
    let readers = readers();
    let watch_group =
        |group: &String| watch_with(&readers, &plain(&kafka), &wanted(group, &[&topic]), BUSY, Some(&failed));
    let pools: Vec<_> = groups.iter().map(watch_group).collect();
    kafka.produce(&topic, 0, &["a"; 10]).await.unwrap();
    kafka.produce(&topic, 2, &["a"; 5]).await.unwrap();
    for (done, group) in (0..).zip(&groups) {
        kafka.commit(group, &topic, &[(0, done % 10)]).await.unwrap();
    }
    for (done, pool) in (0_u64..).zip(&pools) {
        let counts = pool.lag(15 - done % 10).await;
        assert_eq!((counts.partitions.unwrap().assignable, counts.dead_letters), (3, Some(0)));
    }
    let missing = watch(&readers, &plain(&kafka), &wanted("group", &["nowhere"]), ASLEEP);
    missing.unknown("TopicMissing").await;
    members::shows_who_holds_what(&kafka, "classic").await;
    position::keeps_the_place_of_a_pool_at_zero(&kafka).await;
    kafka.shut_down().await.unwrap();
}
