//! A topic, its dead letters, a group, and the programs under test.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use awp_testbed::Kafka;
use awp_testbed::base::wait;
use awp_testbed::install::kafka::at_least;
use awp_testbed::kafka::Options;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::OwnedMessage;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::process::Command;

use crate::worker_process::Worker;

/// Long enough for a loaded machine, short enough to be a failure.
pub const SOON: Duration = Duration::from_secs(60);

/// The ways to be a member of a group that the broker knows.
pub fn protocols() -> &'static [&'static str] {
    let new = at_least(&Options::default().version, (4, 0));
    if new { &["Consumer", "Classic"] } else { &["Classic"] }
}

pub struct Bench {
    pub kafka: &'static Kafka,
    pub topic: String,
    pub group: String,
    pub folder: tempfile::TempDir,
    partitions: i32,
}

impl Bench {
    /// On the broker that all tests share.
    pub async fn new(name: &str, partitions: i32) -> Self {
        Self::on(awp_testbed::kafka().await, name, partitions).await
    }

    /// A work topic with so many partitions and a topic for dead letters.
    pub async fn on(kafka: &'static Kafka, name: &str, partitions: i32) -> Self {
        let (topic, group) = (kafka.name(name), kafka.name("group"));
        let bench = Self { kafka, topic, group, folder: tempfile::tempdir().unwrap(), partitions };
        let declared = bench.publish(&["--declare", "--partitions", &partitions.to_string()]).await;
        assert!(declared.status.success(), "{declared:?}");
        bench
    }

    pub fn failed(&self) -> String {
        format!("{}_failed", self.topic)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A script for `--exec` that notes in `begun` and `ended` what it works on; `work` comes between.
    pub fn script(&self, work: &str) -> String {
        let file = self.path("task.sh");
        let (begun, ended) = (self.path("begun"), self.path("ended"));
        let (begun, ended) = (begun.display(), ended.display());
        let text = format!("echo $AWP_TASK_ID >> {begun}\n{work}\necho $AWP_TASK_ID >> {ended}\n");
        std::fs::write(&file, text).unwrap();
        file.to_string_lossy().into_owned()
    }

    pub fn bootstrap(&self) -> String {
        self.kafka.bootstrap().join(",")
    }

    pub async fn publish(&self, args: &[&str]) -> Output {
        self.publish_input(args, "").await
    }

    pub async fn publish_input(&self, args: &[&str], input: &str) -> Output {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_awp"));
        command.arg("publish").args(args).env("AWP_BROKER", "kafka");
        command.env("AWP_BOOTSTRAP_SERVERS", self.bootstrap()).env("AWP_TOPICS", &self.topic);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let input = input.to_owned();
        tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
            child.wait_with_output().unwrap()
        })
        .await
        .unwrap()
    }

    /// Publishes and answers the ids.
    pub async fn published(&self, args: &[&str]) -> Vec<String> {
        let output = self.publish(args).await;
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().lines().map(Into::into).collect()
    }

    /// A worker that is ready; `args` end with `--simulate` or `--exec -- …`.
    pub async fn worker(&self, args: &[&str]) -> Worker {
        let worker = self.start(args);
        worker.until_ready().await;
        worker
    }

    /// With the environment that the operator gives.
    pub fn start(&self, args: &[&str]) -> Worker {
        let mut command = Command::new(env!("CARGO_BIN_EXE_awp"));
        command.arg("worker").args(args).env("AWP_BOOTSTRAP_SERVERS", self.bootstrap());
        self.spawn(command)
    }

    pub fn spawn(&self, mut command: Command) -> Worker {
        command.env("AWP_BROKER", "kafka");
        command.env("AWP_TOPICS", &self.topic).env("AWP_GROUP", &self.group).env("AWP_DEAD_LETTER", self.failed());
        Worker::spawn(command)
    }

    /// The sum over the partitions of what the group has committed.
    pub async fn committed(&self) -> i64 {
        let all: Vec<i32> = (0..self.partitions).collect();
        self.kafka.committed(&self.group, &self.topic, &all).await.unwrap().iter().map(|(_, offset)| offset).sum()
    }

    /// Until the group has committed so many in all.
    pub async fn until_committed(&self, count: i64) {
        let mut last = None;
        let reached = wait::until("committed", SOON, async || {
            last = Some(self.committed().await);
            Ok((last == Some(count)).then_some(()))
        })
        .await;
        assert!(reached.is_ok(), "expected {count} committed, found {last:?}");
    }

    /// The first so many dead letters.
    pub async fn dead_letters(&self, count: usize) -> Vec<OwnedMessage> {
        read(self.bootstrap(), self.failed(), count).await
    }

    pub fn lines(&self, name: &str) -> Vec<String> {
        std::fs::read_to_string(self.path(name)).unwrap_or_default().lines().map(Into::into).collect()
    }

    pub async fn until_lines(&self, name: &str, count: usize) -> Vec<String> {
        let reached = wait::until("lines", SOON, async || Ok((self.lines(name).len() >= count).then_some(()))).await;
        assert!(reached.is_ok(), "expected {count} lines in {name}, found {:?}", self.lines(name));
        self.lines(name)
    }

    /// Each of them was begun once, and ended.
    pub fn assert_once(&self, ids: &[String]) {
        let sorted = |mut lines: Vec<String>| {
            lines.sort();
            lines
        };
        assert_eq!(sorted(self.lines("begun")), sorted(ids.to_vec()), "each is begun once");
        assert_eq!(sorted(self.lines("ended")), sorted(ids.to_vec()));
    }
}

/// The first so many records of a topic's partition 0; fewer within the time fail.
pub async fn read(bootstrap: String, topic: String, count: usize) -> Vec<OwnedMessage> {
    tokio::task::spawn_blocking(move || {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("group.id", "reader").set("enable.auto.commit", "false");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        let end = std::time::Instant::now() + SOON;
        let mut found = Vec::new();
        while found.len() < count {
            assert!(std::time::Instant::now() < end, "expected {count} in {topic}, found {}", found.len());
            if let Some(message) = consumer.poll(Duration::from_millis(200)) {
                found.push(message.unwrap().detach());
            }
        }
        found
    })
    .await
    .unwrap()
}
