//! Queues and messages over AMQP, as the administrator, on a connection per call.

use std::time::Duration;

use anyhow::{Result, bail};
use futures::stream::{FuturesOrdered, StreamExt};
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};

use super::RabbitMq;
use super::node::{ADMIN, ADMIN_PASSWORD};

/// The messages and consumers of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub ready: u64,
    pub unacked: u64,
    pub consumers: u64,
}

/// Unconfirmed messages at a time: enough to hide the round trip.
const WINDOW: usize = 500;

impl RabbitMq {
    /// `amqp://admin:…@127.0.0.1:PORT/VHOST`
    pub fn admin_uri(&self, vhost: &str) -> String {
        let address = self.amqp_uri(vhost);
        address.replacen("amqp://", &format!("amqp://{ADMIN}:{ADMIN_PASSWORD}@"), 1)
    }

    /// A connection of the administrator's, in the runtime of the caller.
    pub async fn connect(&self, vhost: &str) -> Result<Connection> {
        let properties = ConnectionProperties::default().with_connection_name("awp-testbed".into());
        Ok(tokio::time::timeout(Duration::from_secs(10), Connection::connect(&self.admin_uri(vhost), properties))
            .await??)
    }

    /// A durable queue; `arguments` such as `[("x-queue-type", "quorum".into())]`.
    pub async fn declare(&self, vhost: &str, queue: &str, arguments: &[(&str, AMQPValue)]) -> Result<()> {
        let mut table = FieldTable::default();
        for (name, value) in arguments {
            table.insert((*name).into(), value.clone());
        }
        self.on_channel(vhost, async |channel| {
            channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), table).await?;
            Ok(())
        })
        .await
    }

    /// A durable quorum queue.
    pub async fn declare_quorum(&self, vhost: &str, queue: &str) -> Result<()> {
        self.declare(vhost, queue, &[("x-queue-type", AMQPValue::LongString("quorum".into()))]).await
    }

    /// A durable classic queue.
    pub async fn declare_classic(&self, vhost: &str, queue: &str) -> Result<()> {
        self.declare(vhost, queue, &[("x-queue-type", AMQPValue::LongString("classic".into()))]).await
    }

    /// How many messages of the queue wait to be delivered, by passive declare.
    pub async fn ready(&self, vhost: &str, queue: &str) -> Result<u64> {
        let mut ready = 0;
        self.on_channel(vhost, async |channel| {
            let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            let declared = channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
            ready = declared.message_count().into();
            Ok(())
        })
        .await?;
        Ok(ready)
    }

    pub async fn purge(&self, vhost: &str, queue: &str) -> Result<()> {
        self.on_channel(vhost, async |channel| {
            channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await?;
            Ok(())
        })
        .await
    }

    pub async fn delete_queue(&self, vhost: &str, queue: &str) -> Result<()> {
        self.on_channel(vhost, async |channel| {
            channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
            Ok(())
        })
        .await
    }

    /// Publishes persistent messages to the queue and waits until the broker has confirmed each. A message that no
    /// queue took is an error.
    pub async fn publish(&self, vhost: &str, queue: &str, bodies: impl IntoIterator<Item = Vec<u8>>) -> Result<()> {
        self.publish_to(vhost, "", queue, bodies).await
    }

    /// The same to an exchange.
    pub async fn publish_to(
        &self,
        vhost: &str,
        exchange: &str,
        key: &str,
        bodies: impl IntoIterator<Item = Vec<u8>>,
    ) -> Result<()> {
        self.on_channel(vhost, async |channel| {
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let mut waiting = FuturesOrdered::new();
            for body in bodies {
                let properties = BasicProperties::default().with_delivery_mode(2);
                waiting
                    .push_back(channel.basic_publish(exchange.into(), key.into(), options, &body, properties).await?);
                if waiting.len() >= WINDOW
                    && let Some(confirmation) = waiting.next().await
                {
                    taken(&confirmation?, key)?;
                }
            }
            while let Some(confirmation) = waiting.next().await {
                taken(&confirmation?, key)?;
            }
            Ok(())
        })
        .await
    }

    async fn on_channel(&self, vhost: &str, work: impl AsyncFnOnce(&Channel) -> Result<()>) -> Result<()> {
        let connection = self.connect(vhost).await?;
        let channel = connection.create_channel().await?;
        let done = work(&channel).await;
        // What was asked for has been done; a connection that ends by itself now is no failure.
        let _ = connection.close(200, "done".into()).await;
        done
    }
}

fn taken(confirmation: &Confirmation, key: &str) -> Result<()> {
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        other => bail!("the message for {key} was not taken: {other:?}"),
    }
}
