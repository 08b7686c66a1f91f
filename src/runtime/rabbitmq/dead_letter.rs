//! Dead letters: a copy with the reason, published so that its arrival is known.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, LongString};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use tokio::sync::Mutex;

use super::{CONNECT_TIMEOUT, Settings};
use crate::amqp;
use crate::runtime::broker::{DeadLetterError, Message};

/// A broker short of memory or disk blocks publishers: then no confirm comes.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a reason.
const LONGEST_REASON: usize = 1024;
const PERSISTENT: u8 = 2;

#[derive(Debug)]
pub(super) struct DeadLetters {
    settings: Arc<Settings>,
    /// One letter at a time: a returned message is then certainly the one that was published.
    link: Mutex<Option<Link>>,
}

#[derive(Debug)]
struct Link {
    connection: Connection,
    channel: Channel,
}

pub(super) struct Letter<'a> {
    pub message: &'a Message,
    pub properties: &'a BasicProperties,
    pub queue: &'a str,
    pub reason: &'a str,
    pub failed_at: SystemTime,
}

impl DeadLetters {
    pub fn new(settings: Arc<Settings>) -> Self {
        Self { settings, link: Mutex::new(None) }
    }

    /// `Ok` = the broker has it, in a queue.
    pub async fn send(&self, letter: Letter<'_>) -> Result<(), DeadLetterError> {
        let mut link = self.link.lock().await;
        // Taken, and put back only if it is in a known state: after an error or a future dropped
        // half way, a late return or confirm could be taken for the next letter's.
        let open = match link.take().filter(|link| link.channel.status().connected()) {
            Some(open) => open,
            None => self.open().await?,
        };
        let published = tokio::time::timeout(CONFIRM_TIMEOUT, self.publish(&open.channel, &letter)).await;
        let confirmation = match published {
            Ok(Ok(confirmation)) => confirmation,
            Ok(Err(error)) => {
                open.close().await;
                return Err(self.failed(&error.to_string()));
            }
            Err(_) => {
                open.close().await;
                return Err(self.failed("no confirm within 30 s; a broker in memory or disk alarm blocks publishers"));
            }
        };
        *link = Some(open);
        match confirmation {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(returned)) => {
                Err(self.failed(&format!("it was returned as unroutable ({})", returned.reply_text)))
            }
            Confirmation::Nack(_) => Err(self.failed("the queue does not take it; it may be full")),
            Confirmation::NotRequested => Err(self.failed("the channel is not in confirm mode")),
        }
    }

    pub async fn close(&self) {
        if let Some(link) = self.link.lock().await.take() {
            link.close().await;
        }
    }

    async fn open(&self) -> Result<Link, DeadLetterError> {
        // Another name than the worker's own connection: that one is where its tasks are counted.
        let name = format!("{} dead letters", self.settings.name);
        let endpoint = self.settings.endpoint(name).map_err(|error| self.failed(&error))?;
        let connection =
            amqp::connect(&endpoint, CONNECT_TIMEOUT).await.map_err(|error| self.failed(&error.to_string()))?;
        let channel = async {
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok::<_, lapin::Error>(channel)
        };
        match channel.await {
            Ok(channel) => Ok(Link { connection, channel }),
            Err(error) => Err(self.failed(&error.to_string())),
        }
    }

    async fn publish(&self, channel: &Channel, letter: &Letter<'_>) -> lapin::Result<Confirmation> {
        let target = &self.settings.dead_letter;
        let (exchange, key) = (target.exchange.as_str().into(), target.routing_key.as_str().into());
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        channel.basic_publish(exchange, key, options, &letter.message.body, properties(letter)).await?.await
    }

    fn failed(&self, cause: &str) -> DeadLetterError {
        let target = &self.settings.dead_letter;
        DeadLetterError(format!(
            "the dead letter to exchange {:?} with key {:?} is not confirmed: {cause}",
            target.exchange, target.routing_key
        ))
    }
}

impl Link {
    async fn close(self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.connection.close(200, "bye".into())).await;
    }
}

/// The original's, but for what would act on the copy: an expiration would delete it, a user id is
/// checked against the worker's login, and `CC` would route it once more to the queues it names.
/// They stay readable under other names.
fn properties(letter: &Letter<'_>) -> BasicProperties {
    let original = letter.properties;
    let mut headers = original.headers().as_ref().map(|headers| headers.inner().clone()).unwrap_or_default();
    for (acts, rests) in [("CC", "awp-original-cc"), ("BCC", "awp-original-bcc")] {
        if let Some(queues) = headers.remove(acts) {
            headers.insert(rests.into(), queues);
        }
    }
    let mut note = |name: &str, value: AMQPValue| {
        headers.insert(name.into(), value);
    };
    let text = |text: &str| AMQPValue::LongString(LongString::from(text));
    if let Some(expiration) = original.expiration() {
        note("awp-original-expiration", text(expiration.as_str()));
    }
    if let Some(user) = original.user_id() {
        note("awp-original-user-id", text(user.as_str()));
    }
    note("awp-reason", text(bounded(letter.reason)));
    note("awp-attempt", AMQPValue::LongUInt(letter.message.attempt));
    note("awp-original-queue", text(letter.queue));
    note("awp-failed-at", AMQPValue::Timestamp(unix_seconds(letter.failed_at)));

    let mut copy = BasicProperties::default()
        .with_headers(headers.into())
        .with_delivery_mode(PERSISTENT)
        .with_message_id(letter.message.id.as_str().into());
    macro_rules! keep {
        ($($get:ident => $set:ident),*) => {$(
            if let Some(value) = original.$get() {
                copy = copy.$set(value.clone());
            }
        )*};
    }
    keep!(content_type => with_content_type, content_encoding => with_content_encoding, priority => with_priority,
        correlation_id => with_correlation_id, reply_to => with_reply_to, timestamp => with_timestamp,
        kind => with_type, app_id => with_app_id, cluster_id => with_cluster_id);
    copy
}

fn bounded(reason: &str) -> &str {
    let ends = (0..=reason.len().min(LONGEST_REASON)).rev();
    &reason[..ends.into_iter().find(|&end| reason.is_char_boundary(end)).unwrap_or_default()]
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldTable;

    use super::*;

    #[test]
    fn a_copy_keeps_what_describes_and_disarms_what_acts() {
        let mut headers = FieldTable::default();
        headers.insert("tenant".into(), AMQPValue::LongString("a".into()));
        headers.insert("CC".into(), AMQPValue::LongString("elsewhere".into()));
        let original = BasicProperties::default()
            .with_headers(headers)
            .with_content_type("text/plain".into())
            .with_priority(7)
            .with_expiration("1000".into())
            .with_user_id("alice".into())
            .with_type("job".into())
            .with_delivery_mode(1);
        let message = Message { id: "t1".into(), attempt: 2, ..Message::default() };
        let reason = "ü".repeat(1000);
        let copy = properties(&Letter {
            message: &message,
            properties: &original,
            queue: "work",
            reason: &reason,
            failed_at: UNIX_EPOCH + Duration::from_secs(5),
        });
        let headers = copy.headers().clone().unwrap();
        let header = |name: &str| headers.inner().get(name).cloned();
        assert_eq!(copy.message_id().as_ref().unwrap().as_str(), "t1");
        assert_eq!((copy.priority(), copy.delivery_mode()), (&Some(7), &Some(2)));
        assert_eq!((copy.expiration(), copy.user_id()), (&None, &None));
        assert_eq!(copy.kind().as_ref().unwrap().as_str(), "job");
        assert_eq!(header("tenant"), Some(AMQPValue::LongString("a".into())));
        assert_eq!(header("CC"), None);
        assert_eq!(header("awp-original-cc"), Some(AMQPValue::LongString("elsewhere".into())));
        assert_eq!(header("awp-original-expiration"), Some(AMQPValue::LongString("1000".into())));
        assert_eq!(header("awp-original-queue"), Some(AMQPValue::LongString("work".into())));
        assert_eq!(header("awp-attempt"), Some(AMQPValue::LongUInt(2)));
        assert_eq!(header("awp-failed-at"), Some(AMQPValue::Timestamp(5)));
        assert!(matches!(header("awp-reason"), Some(AMQPValue::LongString(text)) if text.len() == 1024));
    }
}
