//! The thread that commits, so that the poller never waits for a broker.
//!
//! One partition in each call: librdkafka's answer to several tells only whether all of them failed,
//! and the answer to a commit that is not waited for reaches nobody through this crate.

use std::sync::{Arc, mpsc};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::context::Context;
use super::partition::Point;
use super::record::Key;

/// One partition's commit, as asked for and answered.
#[derive(Debug)]
pub struct Commit {
    pub key: Key,
    pub tenure: u64,
    pub point: Point,
    /// Why it is not committed.
    pub refused: Option<RDKafkaErrorCode>,
}

#[derive(Debug)]
pub struct Committer {
    asks: mpsc::Sender<Commit>,
    answers: mpsc::Receiver<Commit>,
    thread: JoinHandle<()>,
}

impl Committer {
    /// `poller` is woken for each answer.
    pub fn start(consumer: Arc<BaseConsumer<Context>>, poller: Thread) -> std::io::Result<Self> {
        let (asks, asked) = mpsc::channel::<Commit>();
        let (answer, answers) = mpsc::channel();
        let thread = std::thread::Builder::new().name("kafka-commits".to_owned()).spawn(move || {
            while let Ok(mut commit) = asked.recv() {
                let answered = offsets(&commit).and_then(|offsets| consumer.commit(&offsets, CommitMode::Sync));
                commit.refused =
                    answered.err().map(|error| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown));
                if answer.send(commit).is_err() {
                    return;
                }
                poller.unpark();
            }
        })?;
        Ok(Self { asks, answers, thread })
    }

    pub fn ask(&self, commit: Commit) {
        // It ends only after us.
        let _ = self.asks.send(commit);
    }

    pub fn answer(&self) -> Option<Commit> {
        self.answers.try_recv().ok()
    }

    /// Waits a little for the commit under way: a broker that hangs keeps it for a minute.
    pub fn finish(self, within: Duration) {
        drop((self.asks, self.answers));
        let end = Instant::now() + within;
        while !self.thread.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn offsets(commit: &Commit) -> Result<TopicPartitionList, KafkaError> {
    let (topic, partition) = &commit.key;
    let mut list = TopicPartitionList::with_capacity(1);
    let mut element = list.add_partition(topic, *partition);
    element.set_offset(Offset::Offset(commit.point.position))?;
    if !commit.point.metadata.is_empty() {
        element.set_metadata(&commit.point.metadata);
    }
    Ok(list)
}
