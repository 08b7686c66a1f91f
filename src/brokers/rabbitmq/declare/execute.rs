//! The steps, on a connection of their own: a refusal may close it (a quorum queue that finds no
//! majority does), and that must not disturb reading.

use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ErrorKind, ExchangeKind};
use tokio::time::{sleep, timeout};

use super::plan::{self, Declare, Step, Value};
use super::refusal;
use crate::amqp;
use crate::brokers::Declaration;
use crate::brokers::backoff::Backoff;
use crate::brokers::rabbitmq::errors;
use crate::brokers::rabbitmq::identity::Identity;
use crate::brokers::rabbitmq::link::Link;
use crate::brokers::rabbitmq::watch::Watch;
use crate::scaling::observation::Unknown;

/// One answer. Creating a quorum queue waits for its members.
const ANSWER: Duration = Duration::from_secs(15);

/// Wishes in work at a time, so that a slow one does not hold up the others.
const AT_ONCE: usize = 4;

/// Seconds between attempts to connect, first and most.
const RETRY: (f64, f64) = (1.0, 30.0);

/// Fulfils wishes when they are due, for ever. Without any there is no connection.
pub async fn run(watch: &Watch, identity: &Identity, jitter: fn() -> f64) {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    loop {
        match watch.next_wish() {
            None => watch.wishes.notified().await,
            Some(wait) if wait > 0.0 => {
                let _ = timeout(Duration::from_secs_f64(wait), watch.wishes.notified()).await;
            }
            Some(_) => {
                if let Ok(link) = Link::open(identity).await {
                    backoff.succeeded();
                    fulfil_all(watch, &link).await;
                    link.close().await;
                } else {
                    // The lanes fail as well, and say so.
                    backoff.failed(watch.clock.now(), jitter());
                    sleep(Duration::from_secs_f64(backoff.wait(watch.clock.now()))).await;
                }
            }
        }
    }
}

async fn fulfil_all(watch: &Watch, link: &Link) {
    let wishes = stream::iter(watch.due_wishes());
    let ended = wishes.map(async |(queue, id, declare)| {
        let declaration = match fulfil(link, &queue, &declare).await {
            Ok(()) => Declaration::Ready,
            Err(why) => Declaration::Refused(why),
        };
        (queue, id, declaration)
    });
    let mut ended = std::pin::pin!(ended.buffer_unordered(AT_ONCE));
    while let Some((queue, id, declaration)) = ended.next().await {
        if let Declaration::Refused(why) = &declaration {
            tracing::warn!(queue, reason = why.reason, "{}", why.message);
        } else {
            tracing::info!(queue, "declared");
        }
        watch.wish_ended(&queue, id, declaration);
    }
}

async fn fulfil(link: &Link, queue: &str, declare: &Declare) -> Result<(), Unknown> {
    let mut channel = link.channel().await?;
    let own = Step::Queue { name: queue.to_owned(), arguments: Vec::new() };
    let exists = is_there(link, &mut channel, &own).await?;
    for step in declare.steps(queue, exists) {
        // What others may have made is used as it is.
        let shared = matches!(step, Step::Exchange { .. } | Step::SharedQueue { .. });
        if shared && is_there(link, &mut channel, &step).await? {
            continue;
        }
        attempt(&channel, &step, false).await.map_err(|failure| explain(link, &step, failure))?;
    }
    // What was asked for is there, whether or not the channel closes in order.
    let _ = timeout(ANSWER, channel.close(200, "done".into())).await;
    Ok(())
}

/// Asks without creating. A "no" closes the channel: then there is a new one.
async fn is_there(link: &Link, channel: &mut Channel, step: &Step) -> Result<bool, Unknown> {
    match attempt(channel, step, true).await {
        Ok(()) => Ok(true),
        Err(Failure::Broker(error)) if soft_error(&error) == Some(AMQPSoftError::NOTFOUND) => {
            *channel = link.channel().await?;
            Ok(false)
        }
        Err(failure) => Err(explain(link, step, failure)),
    }
}

enum Failure {
    Name,
    Silent,
    Broker(lapin::Error),
}

impl From<amqp::NameTooLong> for Failure {
    fn from(_: amqp::NameTooLong) -> Self {
        Self::Name
    }
}

async fn attempt(channel: &Channel, step: &Step, passive: bool) -> Result<(), Failure> {
    let asked = async {
        match step {
            Step::Queue { name, arguments } | Step::SharedQueue { name, arguments } => {
                let options = QueueDeclareOptions { passive, durable: true, ..QueueDeclareOptions::default() };
                let declared = channel.queue_declare(amqp::short(name)?, options, table(arguments)?).await;
                declared.map(drop).map_err(Failure::Broker)
            }
            Step::Exchange { name, kind } => {
                let kind = match kind {
                    plan::ExchangeKind::Direct => ExchangeKind::Direct,
                    plan::ExchangeKind::Topic => ExchangeKind::Topic,
                };
                let options = ExchangeDeclareOptions { passive, durable: true, ..ExchangeDeclareOptions::default() };
                let declared = channel.exchange_declare(amqp::short(name)?, kind, options, FieldTable::default()).await;
                declared.map_err(Failure::Broker)
            }
            Step::Bind { queue, exchange, routing_key } => {
                let (queue, exchange, key) = (amqp::short(queue)?, amqp::short(exchange)?, amqp::short(routing_key)?);
                let options = QueueBindOptions::default();
                let bound = channel.queue_bind(queue, exchange, key, options, FieldTable::default()).await;
                bound.map_err(Failure::Broker)
            }
        }
    };
    timeout(ANSWER, asked).await.unwrap_or(Err(Failure::Silent))
}

fn table(arguments: &[(&'static str, Value)]) -> Result<FieldTable, Failure> {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        let value = match value {
            Value::Text(text) => AMQPValue::LongString(text.as_str().into()),
            Value::Number(number) => AMQPValue::LongLongInt(i64::try_from(*number).unwrap_or(i64::MAX)),
        };
        table.insert(amqp::short(name)?, value);
    }
    Ok(table)
}

fn explain(link: &Link, step: &Step, failure: Failure) -> Unknown {
    let name = refusal::target(step);
    let error = match failure {
        Failure::Name => return errors::name_too_long(name),
        Failure::Silent => return errors::declare_unanswered(name, ANSWER.as_secs()),
        Failure::Broker(error) => error,
    };
    let text = match error.kind() {
        ErrorKind::ProtocolError(protocol) => protocol.get_message().as_str(),
        _ => "",
    };
    match (soft_error(&error), step) {
        (Some(AMQPSoftError::ACCESSREFUSED), _) => refusal::forbidden(link.username(), link.vhost(), step, text),
        (Some(AMQPSoftError::PRECONDITIONFAILED), Step::Queue { arguments, .. }) => {
            refusal::differs(name, arguments, text)
        }
        (Some(AMQPSoftError::RESOURCELOCKED), _) => errors::queue_exclusive(name),
        (Some(AMQPSoftError::PRECONDITIONFAILED), _) => errors::queue_refused(name),
        _ => errors::declare_failed(name),
    }
}

fn soft_error(error: &lapin::Error) -> Option<AMQPSoftError> {
    match error.kind() {
        ErrorKind::ProtocolError(protocol) => match protocol.kind() {
            AMQPErrorKind::Soft(soft) => Some(soft.clone()),
            AMQPErrorKind::Hard(_) => None,
        },
        _ => None,
    }
}
