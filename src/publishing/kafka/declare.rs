//! A work topic and the topic for its dead letters, for try-outs and the demo.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;

use super::Topic;
use crate::librdkafka::{self, Complaints};

const LIMIT: Duration = Duration::from_secs(30);
/// Partitions bound how many workers a group can have at work.
const USUAL_PARTITIONS: u16 = 12;
/// As many replicas as the brokers' settings say (`default.replication.factor`).
const USUAL_REPLICAS: TopicReplication<'static> = TopicReplication::Fixed(-1);

/// The name of the topic where the dead letters of `topic` go.
pub fn dead_letter_topic(topic: &str) -> String {
    format!("{topic}_failed")
}

/// Answers in sentences what was there and is not as asked for.
pub(super) async fn declare(topic: &Topic) -> Result<Vec<String>> {
    let mut config = topic.connection.config()?;
    config.set("client.id", "awp publish --declare");
    let admin: AdminClient<Complaints> =
        config.create_with_context(Complaints::default()).map_err(librdkafka::refused)?;
    let options = AdminOptions::new().operation_timeout(Some(LIMIT)).request_timeout(Some(LIMIT));
    let wanted = topic.partitions.unwrap_or(USUAL_PARTITIONS);
    let failed = dead_letter_topic(&topic.name);
    librdkafka::topic(&failed)?;
    // The target first: there is no moment in which failures have nowhere to go.
    let mut notes = Vec::new();
    for (name, partitions) in [(failed.as_str(), 1), (topic.name.as_str(), wanted)] {
        let new = NewTopic::new(name, partitions.into(), USUAL_REPLICAS);
        let answers = admin.create_topics([&new], &options).await;
        let answers = answers.with_context(|| format!("the topic {name:?} cannot be made"))?;
        match answers.into_iter().next() {
            Some(Ok(_)) => settled(topic, name).await?,
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => {}
            Some(Err((_, code))) => bail!("the topic {name:?} cannot be made: {code}"),
            None => bail!("the topic {name:?} cannot be made: the brokers say nothing of it"),
        }
    }
    let found = topic.partitions_now().await?;
    if let (Some(found), Some(asked)) = (found, topic.partitions)
        && found != usize::from(asked)
    {
        notes.push(format!("the topic {:?} exists with {found} partitions, and is left as it is", topic.name));
    }
    tokio::task::spawn_blocking(move || drop(admin)).await?;
    Ok(notes)
}

/// A new topic reaches the brokers one by one.
async fn settled(topic: &Topic, name: &str) -> Result<()> {
    if name != topic.name {
        return Ok(());
    }
    let known = async {
        while topic.partitions_now().await?.is_none() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(LIMIT, known).await.context("the new topic is not known to the brokers yet")?
}
