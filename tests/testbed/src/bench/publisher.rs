//! Publishing bursts, with the moment of the last confirm.

use anyhow::{Result, bail};
use futures::future::try_join_all;
use k8s_openapi::jiff::Timestamp;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection};

use crate::rabbitmq::RabbitMq;

/// A connection that stays open: a burst costs no handshake.
pub struct Publisher {
    channel: Channel,
    _connection: Connection,
}

impl Publisher {
    pub async fn connect(broker: &RabbitMq, vhost: &str) -> Result<Self> {
        let connection = broker.connect(vhost).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { channel, _connection: connection })
    }

    /// Puts `count` persistent tasks on `queue`; answers when the broker confirmed the last of them.
    pub async fn burst(&self, queue: &str, count: usize) -> Result<Timestamp> {
        let mut waiting = Vec::with_capacity(count);
        for _ in 0..count {
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let properties = BasicProperties::default().with_delivery_mode(2);
            let body = br#"{"durationSeconds":60}"#;
            waiting.push(self.channel.basic_publish("".into(), queue.into(), options, body, properties).await?);
        }
        let confirmed = try_join_all(waiting).await?;
        let at = Timestamp::now();
        if !confirmed.iter().all(|confirmation| matches!(confirmation, Confirmation::Ack(None))) {
            bail!("not every task to {queue} was taken");
        }
        Ok(at)
    }
}
