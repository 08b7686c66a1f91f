//! A queue, its dead letters, and the programs under test.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use awp_testbed::RabbitMq;
use awp_testbed::base::wait;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicGetOptions};
use lapin::types::AMQPValue;
use tokio::process::Command;

use crate::worker_process::Worker;

pub const QUEUE: &str = "work";
pub const FAILED: &str = "work_failed";
/// Long enough for a loaded machine, short enough to be a failure.
pub const SOON: Duration = Duration::from_secs(30);

/// A vhost of one's own on some node, with a login as files.
pub struct Bench {
    pub node: &'static RabbitMq,
    pub vhost: String,
    pub folder: tempfile::TempDir,
}

impl Bench {
    /// With the work queue and its dead-letter queue.
    pub async fn new(name: &str) -> Self {
        let bench = Self::empty(awp_testbed::rabbitmq().await, name).await;
        bench.declare().await;
        bench
    }

    /// On a node that may be stopped; without queues.
    pub async fn empty(node: &'static RabbitMq, name: &str) -> Self {
        let vhost = node.vhost(name).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let bench = Self { node, vhost, folder };
        bench.set_login(node.admin_user(), node.admin_password());
        bench
    }

    pub async fn declare(&self) {
        let declared = self.publish(&["--declare"]).await;
        assert!(declared.status.success(), "{declared:?}");
    }

    pub fn set_login(&self, username: &str, password: &str) {
        std::fs::write(self.path("username"), username).unwrap();
        std::fs::write(self.path("password"), password).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A script for `--exec`.
    pub fn script(&self, text: &str) -> String {
        let file = self.path("task.sh");
        std::fs::write(&file, text).unwrap();
        file.to_string_lossy().into_owned()
    }

    pub fn uri(&self) -> String {
        self.node.amqp_uri(&self.vhost)
    }

    pub async fn publish(&self, args: &[&str]) -> Output {
        self.publish_input(args, "").await
    }

    pub async fn publish_input(&self, args: &[&str], input: &str) -> Output {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_awp"));
        command.args(["publish", "--uri", &self.uri(), "--queue", QUEUE, "--credentials-dir"]).arg(self.folder.path());
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
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

    /// Simulated tasks, so many of so many seconds.
    pub async fn simulated(&self, seconds: &str, count: &str) -> Vec<String> {
        self.published(&["--durations", seconds, "--count", count]).await
    }

    /// A worker that is ready; `args` end with `--simulate` or `--exec -- …`.
    pub async fn worker(&self, args: &[&str]) -> Worker {
        let worker = self.start(args);
        worker.until_ready().await;
        worker
    }

    pub fn start(&self, args: &[&str]) -> Worker {
        Worker::start(&self.uri(), self.folder.path(), args)
    }

    /// Ready and unacknowledged, of the work queue.
    pub async fn counts(&self) -> (u64, u64) {
        let counts = self.node.counts(&self.vhost, QUEUE).await.unwrap();
        (counts.ready, counts.unacked)
    }

    /// Until the work queue has so many ready and unacknowledged.
    pub async fn until_counts(&self, ready: u64, unacked: u64) {
        let mut last = None;
        let reached = wait::until("counts", SOON, async || {
            last = Some(self.counts().await);
            Ok((last == Some((ready, unacked))).then_some(()))
        })
        .await;
        assert!(reached.is_ok(), "expected {ready} ready and {unacked} unacked, found {last:?}");
    }

    /// Takes so many messages from a queue; fewer within the time fail.
    pub async fn take(&self, queue: &str, count: usize) -> Vec<Delivery> {
        let connection = self.node.connect(&self.vhost).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let mut taken = Vec::new();
        let all = wait::until("messages", SOON, async || {
            while let Some(message) = channel.basic_get(queue.into(), BasicGetOptions::default()).await? {
                message.delivery.ack(BasicAckOptions::default()).await?;
                taken.push(message.delivery);
            }
            Ok((taken.len() >= count).then_some(()))
        })
        .await;
        assert!(all.is_ok(), "expected {count} in {queue}, found {}", taken.len());
        assert_eq!(taken.len(), count, "more than expected in {queue}");
        channel.close(200, "done".into()).await.unwrap();
        connection.close(200, "done".into()).await.unwrap();
        taken
    }

    /// Lines of a file that tasks write to.
    pub fn lines(&self, name: &str) -> Vec<String> {
        std::fs::read_to_string(self.path(name)).unwrap_or_default().lines().map(Into::into).collect()
    }

    pub async fn until_lines(&self, name: &str, count: usize) -> Vec<String> {
        let reached = wait::until("lines", SOON, async || Ok((self.lines(name).len() >= count).then_some(()))).await;
        assert!(reached.is_ok(), "expected {count} lines in {name}, found {:?}", self.lines(name));
        self.lines(name)
    }
}

/// A header as text.
pub fn header(delivery: &Delivery, name: &str) -> Option<String> {
    match delivery.properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        other => Some(format!("{other:?}")),
    }
}

pub fn id(delivery: &Delivery) -> String {
    delivery.properties.message_id().as_ref().unwrap().to_string()
}

impl Worker {
    pub fn start(uri: &str, credentials: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_awp"));
        command.arg("worker").args(args);
        Self::on_queue(command, uri, credentials)
    }

    /// Another program that keeps the worker contract.
    pub fn script(interpreter: &str, script: &Path, bench: &Bench, slots: u16) -> Self {
        let mut command = Command::new(interpreter);
        command.arg(script).env("AWP_PREFETCH", slots.to_string());
        Self::on_queue(command, &bench.uri(), bench.folder.path())
    }

    /// With the environment that the operator gives.
    fn on_queue(mut command: Command, uri: &str, credentials: &Path) -> Self {
        command
            .env("AWP_BROKER", "rabbitmq")
            .env("AWP_URI", uri)
            .env("AWP_QUEUE", QUEUE)
            .env("AWP_CREDENTIALS_DIR", credentials)
            .env("AWP_DEAD_LETTER_ROUTING_KEY", FAILED);
        Self::spawn(command)
    }

    pub fn name(&self) -> String {
        format!("pod-{}", self.port)
    }
}
