//! Takes messages from the queue as slots are free.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::config::Config;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::delivery::Delivered;
use super::{Link, PATIENCE, words};
use crate::aws::{self, Failure};
use crate::runtime::broker::{Delivery, SubscribeError, Subscription};

/// What one receive may give.
const BATCH: usize = 10;

pub(super) struct Taking {
    arrived: mpsc::UnboundedReceiver<Delivered>,
    slots: Arc<Semaphore>,
    given: u16,
    stop: CancellationToken,
}

pub(super) async fn open(link: Arc<Link>, slots: u16) -> Result<Taking, SubscribeError> {
    let (sender, arrived) = mpsc::unbounded_channel();
    let (free, stop) = (Arc::new(Semaphore::new(usize::from(slots))), CancellationToken::new());
    let taker = Taker { link, free: free.clone(), sender, stop: stop.clone() };
    // Once without waiting: what is wrong shows at once, with its reason.
    let permits = taker.permits().await;
    taker.receive(permits, Duration::ZERO).await.map_err(|failure| SubscribeError(taker.words(&failure)))?;
    tokio::spawn(taker.run());
    Ok(Taking { arrived, slots: free, given: slots, stop })
}

struct Taker {
    link: Arc<Link>,
    free: Arc<Semaphore>,
    sender: mpsc::UnboundedSender<Delivered>,
    stop: CancellationToken,
}

impl Taker {
    /// Until stopped, or something fails: whoever subscribes again then has a pause and the words.
    async fn run(self) {
        loop {
            let permits = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                permits = self.permits() => permits,
            };
            // Awaited to its end, also when stopped: dropped half way, what it gives would stay hidden.
            if let Err(failure) = self.receive(permits, self.link.settings.long_poll).await {
                warn!(cause = self.words(&failure), "no tasks to be had");
                return;
            }
        }
    }

    /// A slot each for what may be received: at least one.
    async fn permits(&self) -> Vec<OwnedSemaphorePermit> {
        // A batch of a FIFO queue may hold one group several times, of which only the first may be worked on.
        let most = if aws::is_fifo(&self.link.settings.queue_url) { 1 } else { BATCH };
        let mut permits: Vec<_> = self.free.clone().acquire_owned().await.into_iter().collect();
        while permits.len() < most
            && let Ok(more) = self.free.clone().try_acquire_owned()
        {
            permits.push(more);
        }
        permits
    }

    async fn receive(&self, mut permits: Vec<OwnedSemaphorePermit>, wait: Duration) -> Result<(), Failure> {
        let settings = &self.link.settings;
        let seconds = |time: Duration| i32::try_from(time.as_secs()).unwrap_or(i32::MAX);
        let since = Instant::now();
        let request = self
            .link
            .client
            .receive_message()
            .queue_url(&settings.queue_url)
            .max_number_of_messages(i32::try_from(permits.len()).unwrap_or(1))
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(seconds(settings.visibility))
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .customize()
            .config_override(patient(wait));
        let answer = request.send().await.map_err(|error| Failure::of(&error))?;
        for message in answer.messages.unwrap_or_default() {
            self.hand_over(message, permits.pop(), since).await;
        }
        Ok(())
    }

    async fn hand_over(&self, message: Message, permit: Option<OwnedSemaphorePermit>, since: Instant) {
        let Some(delivered) = Delivered::new(message, self.link.clone(), permit, since) else { return };
        if let Err(nobody) = self.sender.send(delivered) {
            // The subscription was dropped while the poll was on its way.
            nobody.0.release().await;
        }
    }

    fn words(&self, failure: &Failure) -> String {
        words(failure, &self.link.settings.identity, &self.link.settings.queue_url, "ReceiveMessage")
    }
}

/// One try, with time for the poll itself.
fn patient(wait: Duration) -> aws_sdk_sqs::config::Builder {
    let attempt = wait + PATIENCE.attempt;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(PATIENCE.connect)
        .operation_attempt_timeout(attempt)
        .operation_timeout(attempt + Duration::from_secs(5));
    Config::builder().timeout_config(timeouts.build()).retry_config(RetryConfig::disabled())
}

impl Subscription for Taking {
    fn next(&mut self) -> BoxFuture<'_, Option<Box<dyn Delivery>>> {
        async { self.arrived.recv().await.map(|delivered| Box::new(delivered) as Box<dyn Delivery>) }.boxed()
    }

    fn resize(&mut self, slots: u16) -> BoxFuture<'_, ()> {
        async move {
            let (more, fewer) = (slots.saturating_sub(self.given), self.given.saturating_sub(slots));
            self.slots.add_permits(usize::from(more));
            self.slots.forget_permits(usize::from(fewer));
            self.given = slots;
        }
        .boxed()
    }

    fn stop(&mut self) -> BoxFuture<'_, ()> {
        async { self.stop.cancel() }.boxed()
    }

    /// Everything that was settled was answered already.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        async {}.boxed()
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
