//! Kafka: idempotent, confirmed by all in-sync replicas.

mod declare;

pub use declare::dead_letter_topic;

use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::BoxFuture;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::types::RDKafkaRespErr;

use super::tasks::Task;
use super::{Progress, Sent, Target};
use crate::librdkafka::{self, Complaints, Connection};

/// For a first answer of the brokers.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// After it a record that is not confirmed is given up; the brokers may have it or not.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);
/// Records whose confirmations are awaited together.
const BATCH: usize = 1_000;

/// One topic.
pub struct Topic {
    producer: FutureProducer<Complaints>,
    complaints: Complaints,
    connection: Connection,
    name: String,
    key: Option<String>,
    /// Of a topic to be made; `None` = the usual number.
    partitions: Option<u16>,
}

impl Topic {
    pub async fn connect(
        connection: &Connection,
        topic: &str,
        key: Option<String>,
        partitions: Option<u16>,
    ) -> Result<Self> {
        librdkafka::topic(topic)?;
        let mut config = connection.config()?;
        librdkafka::certain(&mut config, CONFIRM_TIMEOUT);
        let complaints = Complaints::default();
        let producer = config.create_with_context(complaints.clone()).map_err(librdkafka::refused)?;
        let (connection, name) = (connection.clone(), topic.to_owned());
        let this = Self { producer, complaints, connection, name, key, partitions };
        this.partitions_now().await?;
        Ok(this)
    }

    /// How many partitions the topic has; `None` = there is no such topic.
    async fn partitions_now(&self) -> Result<Option<usize>> {
        let (producer, name) = (self.producer.clone(), self.name.clone());
        let asked = tokio::task::spawn_blocking(move || {
            let metadata = producer.client().fetch_metadata(Some(&name), CONNECT_TIMEOUT)?;
            let topic = metadata.topics().iter().find(|topic| topic.name() == name);
            Ok::<_, KafkaError>(topic.map(|topic| (topic.error(), topic.partitions().len())))
        });
        match asked.await? {
            Ok(None | Some((Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART), _))) => Ok(None),
            Ok(Some((None, partitions))) => Ok(Some(partitions)),
            Ok(Some((Some(code), _))) => {
                let code = RDKafkaErrorCode::from(code);
                Err(anyhow::anyhow!("{code}")).with_context(|| format!("the topic {:?}", self.name))
            }
            Err(error) => {
                let (servers, seconds) = (&self.connection.bootstrap_servers, CONNECT_TIMEOUT.as_secs());
                let cause = self.complaints.explain(&error);
                anyhow::bail!("no answer from Kafka at {servers} within {seconds} s: {cause}")
            }
        }
    }

    async fn put(&self, tasks: &[Task], progress: &mut Progress<'_>) -> Sent {
        let mut sent = Sent::default();
        // Producing to it would create it where the brokers are set so, with one partition.
        match self.partitions_now().await {
            Ok(Some(_)) => {}
            Ok(None) => {
                sent.unroutable = tasks.len();
                sent.failure = Some(format!("there is no topic {:?}", self.name));
                return sent;
            }
            Err(error) => {
                sent.unsent = tasks.len();
                sent.failure = Some(format!("{error:#}"));
                return sent;
            }
        }
        for batch in tasks.chunks(BATCH) {
            if sent.failure.is_some() {
                sent.unsent += batch.len();
                continue;
            }
            let before = sent.confirmed.len();
            self.put_batch(batch, &mut sent).await;
            progress(&sent.confirmed[before..]);
        }
        sent
    }

    async fn put_batch(&self, batch: &[Task], sent: &mut Sent) {
        let mut waiting = Vec::with_capacity(batch.len());
        for task in batch {
            match self.producer.send_result(self.record(task)) {
                Ok(delivery) => waiting.push((task, delivery)),
                Err((error, _)) => self.account(&error, sent),
            }
        }
        for (task, delivery) in waiting {
            match delivery.await {
                Ok(Ok(_)) => sent.confirmed.push(task.id.clone()),
                Ok(Err((error, _))) => self.account(&error, sent),
                Err(_) => {
                    sent.unknown += 1;
                    sent.failure.get_or_insert_with(|| "the producer has ended".to_owned());
                }
            }
        }
    }

    fn record<'a>(&'a self, task: &'a Task) -> FutureRecord<'a, str, [u8]> {
        let mut headers = OwnedHeaders::new()
            .insert(Header { key: "awp-task-id", value: Some(&task.id) })
            .insert(Header { key: "content-type", value: Some(task.content_type) });
        if let Some(kind) = &task.kind {
            headers = headers.insert(Header { key: "awp-task-type", value: Some(kind) });
        }
        let mut record = FutureRecord::to(&self.name).payload(task.body.as_slice()).headers(headers);
        record.key = self.key.as_deref();
        record
    }

    /// What became of a record that is not confirmed.
    fn account(&self, error: &KafkaError, sent: &mut Sent) {
        use RDKafkaErrorCode::{
            InvalidMessage, MessageSizeTooLarge, PolicyViolation, QueueFull, TopicAuthorizationFailed,
            UnknownPartition, UnknownTopic, UnknownTopicOrPartition,
        };
        let complaint = match error.rdkafka_error_code() {
            Some(code @ (UnknownTopic | UnknownPartition | UnknownTopicOrPartition)) => {
                sent.unroutable += 1;
                code.to_string()
            }
            Some(code @ (MessageSizeTooLarge | TopicAuthorizationFailed | InvalidMessage | PolicyViolation)) => {
                sent.refused += 1;
                code.to_string()
            }
            Some(code @ QueueFull) => {
                sent.unsent += 1;
                code.to_string()
            }
            _ => {
                sent.unknown += 1;
                self.complaints.explain(error)
            }
        };
        sent.failure.get_or_insert(complaint);
    }
}

impl Target for Topic {
    fn declare(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        Box::pin(declare::declare(self))
    }

    fn send<'a>(&'a self, tasks: &'a [Task], progress: &'a mut Progress<'_>) -> BoxFuture<'a, Sent> {
        Box::pin(self.put(tasks, progress))
    }

    /// Everything was answered already; the destructor blocks for a moment.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let _ = tokio::task::spawn_blocking(move || drop(self)).await;
        })
    }
}
