//! Who holds what, by the group's own description, with both group protocols.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use awp_testbed::{Kafka, kafka};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;

use crate::support::{BY_WORKER, plain, readers, wanted, watch};

/// A member that takes whatever comes and commits when it is told to.
pub struct Member {
    commits: Arc<AtomicBool>,
    ends: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Member {
    pub fn join(kafka: &Kafka, name: &str, group: &str, topic: &str, protocol: &str) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", kafka.bootstrap().join(",")).set("client.id", name).set("group.id", group);
        config.set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
        config.set("group.protocol", protocol);
        let consumer: BaseConsumer = config.create().unwrap();
        consumer.subscribe(&[topic]).unwrap();
        let (commits, ends) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (may_commit, end) = (commits.clone(), ends.clone());
        let thread = std::thread::spawn(move || {
            let mut taken = false;
            while !end.load(Ordering::Relaxed) {
                if let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) {
                    taken |= message.payload().is_some();
                }
                if taken && may_commit.load(Ordering::Relaxed) {
                    taken = consumer.commit_consumer_state(CommitMode::Sync).is_err();
                }
            }
        });
        Self { commits, ends, thread: Some(thread) }
    }

    pub fn commit(&self) {
        self.commits.store(true, Ordering::Relaxed);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub async fn shows_who_holds_what(kafka: &Kafka, protocol: &str) {
    let (topic, group) = (kafka.topic("tasks", 2).await.unwrap(), kafka.name("group"));
    let members = [0, 1].map(|n| Member::join(kafka, &format!("pod-{n}"), &group, &topic, protocol));
    let readers = readers();
    let pool = watch(&readers, &plain(kafka), &wanted(&group, &[&topic]), BY_WORKER);
    let held = |counts: &awp::scaling::observation::QueueCounts| {
        let by_worker = counts.unacked_by_worker.as_ref()?;
        Some(by_worker.counts.values().copied().collect::<Vec<u64>>())
    };
    pool.known("two idle members", |counts| held(counts).as_deref() == Some(&[0, 0])).await;
    kafka.produce(&topic, 0, &["a"; 3]).await.unwrap();
    let counts = pool.known("one that holds three", |counts| {
        held(counts).is_some_and(|mut held| {
            held.sort_unstable();
            held == [0, 3]
        })
    });
    let names: Vec<String> = counts.await.unacked_by_worker.unwrap().counts.into_keys().collect();
    assert_eq!(names, ["pod-0", "pod-1"]);
    members.iter().for_each(Member::commit);
    pool.known("both idle again", |counts| held(counts).as_deref() == Some(&[0, 0])).await;
    drop(members);
    pool.known("nobody", |counts| held(counts).is_some_and(|held| held.is_empty())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_classic_protocol_shows_who_holds_what() {
    shows_who_holds_what(kafka().await, "classic").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_new_protocol_shows_who_holds_what() {
    shows_who_holds_what(kafka().await, "consumer").await;
}
