//! Commits that Kafka forgets, on a broker that does so after a minute instead of a week.

use std::time::Duration;

use awp::brokers::kafka::{OffsetReset, Wanted};
use awp::scaling::observation::QueueReading;
use awp_testbed::Kafka;
use awp_testbed::base::wait;
use awp_testbed::kafka::Options;

use crate::members::Member;
use crate::support::{ASLEEP, PATIENCE, Watching, plain, readers, wanted, watch};

/// From when the group was left, and for commits without members from when they were made.
const RETENTION: Duration = Duration::from_secs(60);

const DONE: i64 = 9;
const WAITING: usize = 5;

struct Bench {
    kafka: Kafka,
    topic: String,
}

impl Bench {
    async fn start() -> Self {
        let extra = "offsets.retention.minutes=1\noffsets.retention.check.interval.ms=1000".to_owned();
        let kafka = Kafka::start(Options { extra, ..Options::default() }).await.unwrap();
        let topic = kafka.topic("tasks", 1).await.unwrap();
        kafka.produce(&topic, 0, &[""; DONE as usize]).await.unwrap();
        Self { kafka, topic }
    }

    /// A group whose member has done what there is, and left.
    async fn left(&self, protocol: &str) -> String {
        let group = self.kafka.name(protocol);
        let member = Member::join(&self.kafka, "member", &group, &self.topic, protocol);
        member.commit();
        let done = async || Ok((self.committed(&group).await? == [(0, DONE)]).then_some(()));
        wait::until("all is committed", PATIENCE, done).await.unwrap();
        tokio::task::spawn_blocking(move || drop(member)).await.unwrap();
        group
    }

    /// A group that never had a member.
    async fn committed_for(&self) -> String {
        let group = self.kafka.name("simple");
        self.kafka.commit(&group, &self.topic, &[(0, DONE)]).await.unwrap();
        group
    }

    async fn committed(&self, group: &str) -> anyhow::Result<Vec<(i32, i64)>> {
        self.kafka.committed(group, &self.topic, &[0]).await
    }

    fn wanted(&self, group: &str, reset: OffsetReset, keeps_position: bool) -> Wanted {
        Wanted { reset, keeps_position, ..wanted(group, &[&self.topic]) }
    }
}

/// Whatever is said of a backlog, it is what waits: neither all that is kept nor nothing.
fn wrong(reading: &QueueReading) -> bool {
    matches!(reading, QueueReading::Known(counts) if counts.ready != WAITING as u64)
}

fn anything_else(reading: &QueueReading) -> bool {
    wrong(reading) || matches!(reading, QueueReading::Unknown(_))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_sleeps_for_longer_than_kafka_keeps_commits_goes_on_where_it_was() {
    let bench = Bench::start().await;
    let mut groups = Vec::new();
    for protocol in ["classic", "consumer"] {
        groups.push((bench.left(protocol).await, OffsetReset::Latest));
        groups.push((bench.left(protocol).await, OffsetReset::Earliest));
    }
    groups.push((bench.committed_for().await, OffsetReset::Latest));
    groups.push((bench.committed_for().await, OffsetReset::Earliest));
    let renewed = [bench.left("classic").await, bench.left("consumer").await, bench.committed_for().await];
    // Nobody keeps the place of these.
    let forgotten = [bench.left("classic").await, bench.left("consumer").await, bench.committed_for().await];
    bench.kafka.produce(&bench.topic, 0, &[""; WAITING]).await.unwrap();

    let readers = readers();
    let view = |wanted: Wanted| watch(&readers, &plain(&bench.kafka), &wanted, ASLEEP);
    let kept: Vec<Watching> = groups.iter().map(|(group, reset)| view(bench.wanted(group, *reset, true))).collect();
    let paused: Vec<Watching> = forgotten
        .iter()
        .zip([OffsetReset::Earliest, OffsetReset::Latest, OffsetReset::Earliest])
        .map(|(group, reset)| view(bench.wanted(group, reset, false)))
        .collect();
    for pool in kept.iter().chain(&paused) {
        pool.lag(WAITING as u64).await;
    }
    let looks = kept.iter().map(|pool| pool.never("it is somewhere else", RETENTION + RETENTION / 2, anything_else));
    let forgets = async {
        tokio::time::sleep(RETENTION / 2).await;
        // An operator whose hour has come commits once more, and looks no longer.
        for group in &renewed {
            view(bench.wanted(group, OffsetReset::Latest, true)).lag(WAITING as u64).await;
        }
        let lost = paused.iter().map(async |pool| {
            tokio::select! {
                biased;
                () = pool.never("all or nothing waits", 2 * PATIENCE, wrong) => {}
                why = pool.unknown("CommittedOffsetsExpired") => assert!(why.message.contains("--reset-offsets"), "{why}"),
            }
        });
        futures::future::join_all(lost).await;
        let [classic, consumer, simple] = &renewed;
        for group in [consumer, simple] {
            assert_eq!(bench.committed(group).await.unwrap(), [(0, DONE)], "{group} outlives what was not repeated");
        }
        assert_eq!(bench.committed(classic).await.unwrap(), [], "here only the time since the last member left counts");
        let known = |reading: &QueueReading| matches!(reading, QueueReading::Known(_));
        let looks = paused.iter().map(|pool| pool.never("it is known again", Duration::from_secs(5), known));
        futures::future::join_all(looks).await;
    };
    tokio::join!(futures::future::join_all(looks), forgets);
    for (group, _) in &groups {
        assert_eq!(bench.committed(group).await.unwrap(), [(0, DONE)], "{group}");
    }
    bench.kafka.shut_down().await.unwrap();
}
