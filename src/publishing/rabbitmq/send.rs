//! Persistent, mandatory, confirmed – many at a time.

use std::collections::HashSet;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, PublisherConfirm};

use super::super::tasks::Task;
use super::super::{Progress, Sent};
use crate::amqp;

const PERSISTENT: u8 = 2;
/// Messages whose confirms are awaited together. It hides the round trip, and no more is to be gained:
/// measured on one node, 10,000 to a quorum queue took 1.1 to 2.5 s with 200, 1,000 and 5,000 alike.
const BATCH: usize = 1_000;
/// Without a confirm for this long nothing more is to be expected.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);

/// Publishes to `queue` through the default exchange; `progress` hears of each batch how many are
/// confirmed so far.
pub async fn send(connection: &Connection, queue: &str, tasks: &[Task], progress: &mut Progress<'_>) -> Sent {
    let mut sent = Sent::default();
    let channel = async {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok::<_, lapin::Error>(channel)
    };
    let channel = match channel.await {
        Ok(channel) => channel,
        Err(error) => {
            sent.unsent = tasks.len();
            sent.failure = Some(error.to_string());
            return sent;
        }
    };
    let mut rest = tasks;
    while !rest.is_empty() && sent.failure.is_none() {
        let (batch, after) = rest.split_at(rest.len().min(BATCH));
        let before = sent.confirmed.len();
        let tried = send_batch(connection, &channel, queue, batch, &mut sent).await;
        sent.unsent += batch.len() - tried;
        progress(&sent.confirmed[before..]);
        rest = after;
    }
    sent.unsent += rest.len();
    sent
}

/// Answers how many were given to the broker. Judges only when every confirm of the batch is in:
/// a returned message comes before its own confirm, but may be handed out with another's.
async fn send_batch(connection: &Connection, channel: &Channel, queue: &str, batch: &[Task], sent: &mut Sent) -> usize {
    let mut confirms: Vec<(&Task, PublisherConfirm)> = Vec::with_capacity(batch.len());
    for task in batch {
        match tokio::time::timeout(CONFIRM_TIMEOUT, publish(channel, queue, task)).await {
            Ok(Ok(confirm)) => confirms.push((task, confirm)),
            Ok(Err(error)) => {
                sent.failure = Some(error.to_string());
                break;
            }
            Err(_) => {
                sent.failure = Some(silence(connection));
                break;
            }
        }
    }
    let tried = confirms.len();
    let mut acked = Vec::with_capacity(tried);
    let mut returned: HashSet<String> = HashSet::new();
    for (task, confirm) in confirms {
        let waited = match sent.failure {
            // After a silence the others have had their time.
            Some(_) => tokio::time::timeout(Duration::ZERO, confirm).await,
            None => tokio::time::timeout(CONFIRM_TIMEOUT, confirm).await,
        };
        let confirmation = match waited {
            Ok(Ok(confirmation)) => confirmation,
            Ok(Err(error)) => {
                sent.unknown += 1;
                sent.failure.get_or_insert_with(|| error.to_string());
                continue;
            }
            Err(_) => {
                sent.unknown += 1;
                sent.failure.get_or_insert_with(|| silence(connection));
                continue;
            }
        };
        match &confirmation {
            Confirmation::Ack(_) => acked.push(&task.id),
            _ => sent.refused += 1,
        }
        if let Some(message) = confirmation.take_message() {
            returned.extend(message.properties.message_id().as_ref().map(ToString::to_string));
        }
    }
    for id in acked {
        if returned.contains(id) {
            sent.unroutable += 1;
        } else {
            sent.confirmed.push(id.clone());
        }
    }
    tried
}

async fn publish(channel: &Channel, queue: &str, task: &Task) -> Result<PublisherConfirm, PublishError> {
    let mut properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_message_id(amqp::short(&task.id)?)
        .with_content_type(task.content_type.into());
    if let Some(priority) = task.priority {
        properties = properties.with_priority(priority);
    }
    if let Some(kind) = &task.kind {
        let mut headers = FieldTable::default();
        headers.insert("awp-task-type".into(), AMQPValue::LongString(kind.as_str().into()));
        properties = properties.with_headers(headers);
    }
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    Ok(channel.basic_publish("".into(), amqp::short(queue)?, options, &task.body, properties).await?)
}

#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error(transparent)]
    Name(#[from] amqp::NameTooLong),
    #[error(transparent)]
    Broker(#[from] lapin::Error),
}

fn silence(connection: &Connection) -> String {
    let seconds = CONFIRM_TIMEOUT.as_secs();
    if connection.status().blocked() {
        format!("no confirm within {seconds} s: the broker blocks publishers, it is short of memory or disk")
    } else {
        format!("no confirm within {seconds} s")
    }
}
