//! What tests do to topics and groups, by librdkafka: another client than the one that is tested.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::task::spawn_blocking;

use crate::base::wait;

/// Of one call; a busy machine is slow, and a broker may be down on purpose.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Clients {
    bootstrap: String,
}

/// An open transaction; dropping it leaves it open until the broker's timeout.
pub struct Transaction {
    producer: FutureProducer,
}

/// Puts records on topics.
pub struct Producer(FutureProducer);

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Producer")
    }
}

impl Producer {
    /// Waits until all in-sync replicas have them.
    pub async fn send(&self, topic: &str, partition: i32, bodies: &[&str]) -> Result<()> {
        send(&self.0, topic, partition, bodies, None).await
    }
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transaction")
    }
}

impl Transaction {
    pub async fn commit(self) -> Result<()> {
        Ok(spawn_blocking(move || self.producer.commit_transaction(LIMIT)).await??)
    }

    pub async fn abort(self) -> Result<()> {
        Ok(spawn_blocking(move || self.producer.abort_transaction(LIMIT)).await??)
    }
}

impl Clients {
    pub fn new(bootstrap: String) -> Self {
        Self { bootstrap }
    }

    /// A broker whose port is open may not be known to the others yet.
    pub async fn wait_for_brokers(&self, count: usize) -> Result<()> {
        wait::until(&format!("{count} brokers are up"), LIMIT, async || {
            let admin = self.admin()?;
            let limit = Duration::from_secs(5);
            let metadata = spawn_blocking(move || admin.inner().fetch_metadata(None, limit)).await??;
            Ok((metadata.brokers().len() == count).then_some(()))
        })
        .await
    }

    pub async fn create_topic(
        &self,
        name: &str,
        partitions: usize,
        replicas: usize,
        settings: &[(&str, &str)],
    ) -> Result<()> {
        let count = i32::try_from(partitions)?;
        let mut topic = NewTopic::new(name, count, TopicReplication::Fixed(i32::try_from(replicas)?));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let answers = self.admin()?.create_topics([&topic], &options()).await?;
        done(answers).with_context(|| format!("cannot create the topic {name}"))?;
        self.wait_for_partitions(name, partitions).await
    }

    pub async fn delete_topic(&self, name: &str) -> Result<()> {
        done(self.admin()?.delete_topics(&[name], &options()).await?)?;
        self.wait_for_partitions(name, 0).await
    }

    pub async fn add_partitions(&self, topic: &str, total: usize) -> Result<()> {
        done(self.admin()?.create_partitions([&NewPartitions::new(topic, total)], &options()).await?)?;
        self.wait_for_partitions(topic, total).await
    }

    pub async fn delete_records(&self, topic: &str, partition: i32, before: i64) -> Result<()> {
        let offsets = list(topic, &[(partition, before)])?;
        let answer = self.admin()?.delete_records(&offsets, &options()).await?;
        Ok(answer.elements().iter().try_for_each(rdkafka::topic_partition_list::TopicPartitionListElem::error)?)
    }

    pub async fn produce(&self, topic: &str, partition: i32, bodies: &[&str], millis: Option<i64>) -> Result<()> {
        send(&self.producer()?.0, topic, partition, bodies, millis).await
    }

    pub fn producer(&self) -> Result<Producer> {
        Ok(Producer(self.config().set("acks", "all").set("linger.ms", "0").create()?))
    }

    pub async fn transaction(&self, id: &str, topic: &str, partition: i32, bodies: &[&str]) -> Result<Transaction> {
        let producer: FutureProducer = self.config().set("transactional.id", id).create()?;
        let blocking = producer.clone();
        spawn_blocking(move || {
            blocking.init_transactions(LIMIT)?;
            blocking.begin_transaction()
        })
        .await??;
        send(&producer, topic, partition, bodies, None).await?;
        Ok(Transaction { producer })
    }

    pub async fn commit(&self, group: &str, topic: &str, offsets: &[(i32, i64)]) -> Result<()> {
        // A broker that has just started does not know yet that it coordinates the group.
        wait::until("the commit is taken", LIMIT, async || {
            let consumer = self.consumer(group)?;
            let offsets = list(topic, offsets)?;
            spawn_blocking(move || consumer.commit(&offsets, CommitMode::Sync)).await??;
            Ok(Some(()))
        })
        .await
    }

    pub async fn committed(&self, group: &str, topic: &str, partitions: &[i32]) -> Result<Vec<(i32, i64)>> {
        let consumer = self.consumer(group)?;
        let mut wanted = TopicPartitionList::new();
        for partition in partitions {
            wanted.add_partition(topic, *partition);
        }
        let answer = spawn_blocking(move || consumer.committed_offsets(wanted, LIMIT)).await??;
        let offsets = answer.elements().into_iter().filter_map(|element| match element.offset() {
            Offset::Offset(offset) => Some((element.partition(), offset)),
            _ => None,
        });
        Ok(offsets.collect())
    }

    pub async fn ends(&self, topic: &str, partitions: &[i32]) -> Result<Vec<(i32, i64)>> {
        let consumer = self.consumer("ends")?;
        let (topic, partitions) = (topic.to_owned(), partitions.to_vec());
        let ends = spawn_blocking(move || {
            let end = |partition| Ok((partition, consumer.fetch_watermarks(&topic, partition, LIMIT)?.1));
            partitions.into_iter().map(end).collect()
        });
        ends.await?
    }

    pub async fn delete_group(&self, group: &str) -> Result<()> {
        done(self.admin()?.delete_groups(&[group], &options()).await?)
    }

    async fn wait_for_partitions(&self, topic: &str, count: usize) -> Result<()> {
        wait::until(&format!("{topic} has {count} partitions with leaders"), LIMIT, async || {
            let admin = self.admin()?;
            let name = topic.to_owned();
            let limit = Duration::from_secs(5);
            let metadata = spawn_blocking(move || admin.inner().fetch_metadata(Some(&name), limit)).await??;
            let partitions = metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions);
            Ok((partitions.filter(|it| it.leader() > 0).count() == count).then_some(()))
        })
        .await
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>> {
        Ok(self.config().create()?)
    }

    fn consumer(&self, group: &str) -> Result<BaseConsumer> {
        Ok(self.config().set("group.id", group).set("enable.auto.commit", "false").create()?)
    }
}

async fn send(
    producer: &FutureProducer,
    topic: &str,
    partition: i32,
    bodies: &[&str],
    millis: Option<i64>,
) -> Result<()> {
    let mut sent = Vec::with_capacity(bodies.len());
    for body in bodies {
        let mut record = FutureRecord::<(), str>::to(topic).partition(partition).payload(*body);
        record.timestamp = millis;
        sent.push(producer.send_result(record).map_err(|(error, _)| error)?);
    }
    for delivery in sent {
        delivery.await?.map_err(|(error, _)| error)?;
    }
    Ok(())
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(LIMIT)).request_timeout(Some(LIMIT))
}

fn list(topic: &str, offsets: &[(i32, i64)]) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    Ok(list)
}

/// Each thing asked for has an answer of its own.
fn done(answers: Vec<Result<String, (String, rdkafka::types::RDKafkaErrorCode)>>) -> Result<()> {
    for answer in answers {
        if let Err((name, error)) = answer {
            bail!("{name}: {error}");
        }
    }
    Ok(())
}
