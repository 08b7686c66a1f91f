//! Three brokers: one dies, one hangs, coordinators and leaders move.

use std::time::{Duration, Instant};

use awp::scaling::observation::QueueReading;
use awp_testbed::Kafka;
use awp_testbed::kafka::Options;

use crate::support::{BUSY, Watching, plain, readers, wanted, watch};

/// Never less than the tasks that are there, whatever happens to the brokers.
fn too_little(tasks: u64) -> impl Fn(&QueueReading) -> bool {
    move |reading| matches!(reading, QueueReading::Known(counts) if counts.ready < tasks)
}

async fn all_say(pools: &[Watching], lag: u64) {
    for pool in pools {
        pool.lag(lag).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_dies_another_hangs_and_no_task_is_overlooked() {
    // A hung broker is given up by its controller after this time.
    let extra = "broker.session.timeout.ms=6000".to_owned();
    let kafka = Kafka::start(Options { brokers: 3, extra, ..Options::default() }).await.unwrap();
    let topic = kafka.topic("tasks", 6).await.unwrap();
    let readers = readers();
    // Enough groups that each broker coordinates some.
    let groups: Vec<String> = (0..12).map(|_| kafka.name("group")).collect();
    for partition in 0..6 {
        kafka.produce(&topic, partition, &["a"; 5]).await.unwrap();
    }
    let pools: Vec<Watching> =
        groups.iter().map(|group| watch(&readers, &plain(&kafka), &wanted(group, &[&topic]), BUSY)).collect();
    all_say(&pools, 30).await;

    kafka.broker(2).unwrap().kill().await.unwrap();
    let began = Instant::now();
    let looks = pools.iter().map(|pool| pool.never("overlooked", Duration::from_secs(8), too_little(30)));
    futures::future::join_all(looks).await;
    kafka.produce(&topic, 0, &["a"]).await.unwrap();
    all_say(&pools, 31).await;
    eprintln!("all groups are read again {:?} after a broker was killed", began.elapsed());
    kafka.start_again(2).await.unwrap();
    all_say(&pools, 31).await;

    kafka.broker(3).unwrap().pause().await.unwrap();
    let began = Instant::now();
    let looks = pools.iter().map(|pool| pool.never("overlooked", Duration::from_secs(15), too_little(31)));
    futures::future::join_all(looks).await;
    kafka.produce(&topic, 1, &["a"]).await.unwrap();
    all_say(&pools, 32).await;
    eprintln!("all groups are read again {:?} after a broker hung", began.elapsed());
    kafka.broker(3).unwrap().resume().await.unwrap();
    kafka.produce(&topic, 2, &["a"]).await.unwrap();
    all_say(&pools, 33).await;
    kafka.shut_down().await.unwrap();
}
