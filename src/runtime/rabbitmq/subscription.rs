//! One connection that takes tasks from the queue.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::dead_letter::DeadLetters;
use super::delivery::Delivered;
use super::{CONNECT_TIMEOUT, Settings};
use crate::amqp;
use crate::runtime::broker::{Delivery, SubscribeError, Subscription};

/// For an answer to a cancel or close; a broker that does not answer is left.
const GOODBYE: Duration = Duration::from_secs(5);
/// Between a cancel by the broker and the next subscription.
const RESUBSCRIBE: Duration = Duration::from_millis(500);

pub(super) struct Taking {
    settings: Arc<Settings>,
    dead_letters: Arc<DeadLetters>,
    connection: Connection,
    channel: Channel,
    consumer: Consumer,
    slots: u16,
    /// What had reached the process from a consumer that was cancelled.
    leftover: VecDeque<lapin::message::Delivery>,
    /// The consumer gives no more.
    ended: bool,
    stopping: bool,
    lost: CancellationToken,
}

pub(super) async fn open(
    settings: Arc<Settings>,
    dead_letters: Arc<DeadLetters>,
    slots: u16,
) -> Result<Taking, SubscribeError> {
    let endpoint = settings.endpoint(settings.name.clone()).map_err(SubscribeError)?;
    let connection =
        amqp::connect(&endpoint, CONNECT_TIMEOUT).await.map_err(|error| SubscribeError(error.to_string()))?;
    let subscribed = async {
        let channel = connection.create_channel().await.map_err(|error| error.to_string())?;
        let consumer = consume(&channel, &settings, slots).await?;
        Ok::<_, String>((channel, consumer))
    };
    match subscribed.await {
        Ok((channel, consumer)) => Ok(Taking {
            dead_letters,
            connection,
            channel,
            consumer,
            slots,
            leftover: VecDeque::new(),
            ended: false,
            stopping: false,
            lost: CancellationToken::new(),
            settings,
        }),
        Err(cause) => {
            farewell(&connection).await;
            Err(SubscribeError(format!("the queue {:?} gives no tasks: {cause}", settings.queue)))
        }
    }
}

/// The tag is the same each time: a quorum queue then counts what an earlier consumer of this
/// channel still holds against the prefetch.
async fn consume(channel: &Channel, settings: &Settings, slots: u16) -> Result<Consumer, String> {
    let (queue, tag) = (settings.queue.as_str().into(), settings.name.as_str().into());
    let consuming = async {
        // Per consumer. Prefetch = tasks at once: what is fetched beyond would wait here, its
        // acknowledgement timeout running, while other workers are free.
        channel.basic_qos(slots, BasicQosOptions { global: false }).await?;
        channel.basic_consume(queue, tag, BasicConsumeOptions::default(), FieldTable::default()).await
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, consuming).await {
        Ok(consumer) => consumer.map_err(|error| error.to_string()),
        // A quorum queue without a leader answers nothing.
        Err(_) => Err(format!("no answer within {} s; it may be without a leader", CONNECT_TIMEOUT.as_secs())),
    }
}

async fn farewell(connection: &Connection) {
    let _ = tokio::time::timeout(GOODBYE, connection.close(200, "bye".into())).await;
}

impl Taking {
    async fn next_delivery(&mut self) -> Option<Box<dyn Delivery>> {
        loop {
            if let Some(delivery) = self.leftover.pop_front() {
                return Some(self.delivered(delivery));
            }
            if self.ended {
                if self.stopping || !self.resubscribe().await {
                    self.note_loss();
                    return None;
                }
                continue;
            }
            match self.consumer.next().await {
                Some(Ok(delivery)) => return Some(self.delivered(delivery)),
                Some(Err(error)) => warn!(%error, "the broker ends the subscription"),
                None => self.ended = true,
            }
        }
    }

    fn delivered(&self, delivery: lapin::message::Delivery) -> Box<dyn Delivery> {
        Box::new(Delivered::new(delivery, self.settings.queue.clone(), self.dead_letters.clone(), self.lost.clone()))
    }

    /// The broker cancels a consumer whose queue is deleted or moves, and (from 4.3) one that is
    /// slow to acknowledge; the channel lives on.
    async fn resubscribe(&mut self) -> bool {
        if !self.channel.status().connected() {
            return false;
        }
        warn!(queue = self.settings.queue, "the broker has cancelled the consumer; subscribing again");
        tokio::time::sleep(RESUBSCRIBE).await;
        match consume(&self.channel, &self.settings, self.slots).await {
            Ok(consumer) => {
                self.consumer = consumer;
                self.ended = false;
                info!(queue = self.settings.queue, "subscribed again");
                true
            }
            Err(error) => {
                warn!(error, "not subscribed");
                false
            }
        }
    }

    fn note_loss(&self) {
        if !self.channel.status().connected() {
            self.lost.cancel();
        }
    }

    /// Afterwards the consumer has given everything that it will give: it is in `leftover`.
    async fn cancel(&mut self) {
        if self.ended {
            return;
        }
        let tag = self.consumer.tag();
        let cancelled = self.channel.basic_cancel(tag, BasicCancelOptions::default());
        if tokio::time::timeout(GOODBYE, cancelled).await.is_ok() {
            while let Some(delivery) = self.consumer.next().await {
                self.leftover.extend(delivery.ok());
            }
        }
        self.ended = true;
    }
}

impl Subscription for Taking {
    fn next(&mut self) -> BoxFuture<'_, Option<Box<dyn Delivery>>> {
        self.next_delivery().boxed()
    }

    fn resize(&mut self, slots: u16) -> BoxFuture<'_, ()> {
        async move {
            self.slots = slots;
            self.cancel().await;
            match consume(&self.channel, &self.settings, slots).await {
                Ok(consumer) => {
                    self.consumer = consumer;
                    self.ended = false;
                    info!(slots, "taking more tasks at once");
                }
                // The next call of `next` finds the channel dead, or tries again.
                Err(error) => warn!(error, "not subscribed"),
            }
        }
        .boxed()
    }

    fn stop(&mut self) -> BoxFuture<'_, ()> {
        async move {
            self.stopping = true;
            self.cancel().await;
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move {
            // Answered only after the acknowledgements before it on this channel were read.
            let _ = tokio::time::timeout(GOODBYE, self.channel.close(200, "bye".into())).await;
            farewell(&self.connection).await;
            self.dead_letters.close().await;
        }
        .boxed()
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        // Whoever waits with a delivery of this connection learns that it is gone.
        self.lost.cancel();
    }
}
