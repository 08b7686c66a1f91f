//! One message from RabbitMQ.

use std::sync::Arc;
use std::time::SystemTime;

use futures::FutureExt;
use futures::future::BoxFuture;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Acker, BasicProperties};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::dead_letter::{DeadLetters, Letter};
use crate::runtime::broker::{DeadLetterError, Delivery, Message, Settled};

pub(super) struct Delivered {
    message: Message,
    properties: BasicProperties,
    acker: Acker,
    queue: String,
    dead_letters: Arc<DeadLetters>,
    lost: CancellationToken,
}

impl Delivered {
    pub fn new(
        delivery: lapin::message::Delivery,
        queue: String,
        dead_letters: Arc<DeadLetters>,
        lost: CancellationToken,
    ) -> Self {
        let lapin::message::Delivery { properties, data, redelivered, acker, .. } = delivery;
        let message = message(&properties, data, redelivered);
        Self { message, properties, acker, queue, dead_letters, lost }
    }
}

fn message(properties: &BasicProperties, body: Vec<u8>, redelivered: bool) -> Message {
    let text = |name: &Option<ShortString>| name.as_ref().map(ToString::to_string).filter(|text| !text.is_empty());
    let headers = properties.headers().as_ref();
    let id = text(properties.message_id()).unwrap_or_else(|| {
        let id = uuid::Uuid::new_v4().to_string();
        info!(task = id, "the message has no id; it is called by this one here");
        id
    });
    Message {
        id,
        attempt: header(headers, "awp-attempt").and_then(number).unwrap_or(1).max(1),
        redelivered,
        task_type: header(headers, "awp-task-type").and_then(string),
        content_type: text(properties.content_type()),
        content_encoding: text(properties.content_encoding()),
        body,
    }
}

fn header<'a>(headers: Option<&'a FieldTable>, name: &str) -> Option<&'a AMQPValue> {
    headers?.inner().get(name)
}

fn string(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

/// Clients pick the width of an integer by their own taste; some write text.
fn number(value: &AMQPValue) -> Option<u32> {
    match *value {
        AMQPValue::ShortShortInt(n) => n.try_into().ok(),
        AMQPValue::ShortShortUInt(n) => Some(n.into()),
        AMQPValue::ShortInt(n) => n.try_into().ok(),
        AMQPValue::ShortUInt(n) => Some(n.into()),
        AMQPValue::LongInt(n) => n.try_into().ok(),
        AMQPValue::LongUInt(n) => Some(n),
        AMQPValue::LongLongInt(n) => n.try_into().ok(),
        _ => string(value)?.parse().ok(),
    }
}

impl Delivery for Delivered {
    fn message(&self) -> &Message {
        &self.message
    }

    fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    fn ack(&self) -> BoxFuture<'_, Settled> {
        async { settled(&self.acker.ack(BasicAckOptions::default()).await) }.boxed()
    }

    fn release(&self) -> BoxFuture<'_, Settled> {
        let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        async move { settled(&self.acker.nack(options).await) }.boxed()
    }

    fn dead_letter<'a>(&'a self, reason: &'a str) -> BoxFuture<'a, Result<(), DeadLetterError>> {
        let letter = Letter {
            message: &self.message,
            properties: &self.properties,
            queue: &self.queue,
            reason,
            failed_at: SystemTime::now(),
        };
        async move { self.dead_letters.send(letter).await }.boxed()
    }
}

/// lapin answers `Ok(false)` where the channel is dead: nothing was acknowledged.
fn settled(answer: &lapin::Result<bool>) -> Settled {
    if matches!(answer, Ok(true)) { Settled::Yes } else { Settled::Lost }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[(&str, AMQPValue)]) -> BasicProperties {
        let mut table = FieldTable::default();
        for (name, value) in values {
            table.insert((*name).into(), value.clone());
        }
        BasicProperties::default().with_headers(table)
    }

    #[test]
    fn the_attempt_is_read_in_whatever_width_it_comes() {
        let attempt = |value| message(&headers(&[("awp-attempt", value)]), Vec::new(), false).attempt;
        assert_eq!(attempt(AMQPValue::LongLongInt(3)), 3);
        assert_eq!(attempt(AMQPValue::ShortShortUInt(2)), 2);
        assert_eq!(attempt(AMQPValue::LongString("4".into())), 4);
        assert_eq!(attempt(AMQPValue::LongInt(-1)), 1);
        assert_eq!(attempt(AMQPValue::Boolean(true)), 1);
        assert_eq!(message(&BasicProperties::default(), Vec::new(), false).attempt, 1);
    }

    #[test]
    fn a_message_without_an_id_gets_one() {
        let generated = message(&BasicProperties::default(), Vec::new(), false).id;
        assert_eq!(generated.len(), 36);
        let given = BasicProperties::default().with_message_id("task-7".into());
        assert_eq!(message(&given, Vec::new(), false).id, "task-7");
    }
}
