//! One message from SQS.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_sqs::types::MessageSystemAttributeName as System;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::dead_letter::{Letter, send};
use super::{Link, words};
use crate::aws::message::{self, Attributes};
use crate::aws::{Failure, Kind};
use crate::runtime::broker::{DeadLetterError, Delivery, Message, Settled};

/// For word that does not get through: after it the message shows again by itself.
const SETTLING: Duration = Duration::from_secs(90);

pub(super) struct Delivered {
    message: Message,
    attributes: Attributes,
    group: Option<String>,
    receipt: String,
    link: Arc<Link>,
    held: u64,
    lost: CancellationToken,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Delivered {
    /// `since` is before the message was received. `None`: it has no receipt, so it is nobody's.
    pub fn new(
        received: aws_sdk_sqs::types::Message,
        link: Arc<Link>,
        slot: Option<OwnedSemaphorePermit>,
        since: Instant,
    ) -> Option<Self> {
        let receipt = received.receipt_handle?;
        let system = received.attributes.unwrap_or_default();
        let attributes = received.message_attributes.unwrap_or_default();
        let body = received.body.unwrap_or_default().into_bytes();
        let message = message(&received.message_id.unwrap_or_default(), &system, &attributes, body);
        let lost = CancellationToken::new();
        let held = link.keeper.hold(&receipt, since, lost.clone());
        let group = system.get(&System::MessageGroupId).cloned();
        Some(Self { message, attributes, group, receipt, link, held, lost, _slot: slot })
    }

    /// Until the broker has heard, or it would not matter any more.
    async fn settle<F>(&self, action: &str, ask: impl Fn() -> F) -> Settled
    where
        F: Future<Output = Result<(), Failure>>,
    {
        let until = Instant::now() + SETTLING;
        let mut pause = crate::runtime::pauses();
        loop {
            let Err(failure) = ask().await else { return Settled::Yes };
            if failure.kind == Kind::NotHeld || Instant::now() >= until {
                return Settled::Lost;
            }
            let settings = &self.link.settings;
            let cause = words(&failure, &settings.identity, &settings.queue_url, action);
            warn!(task = self.message.id, cause, "the broker has not heard of the task yet; trying again");
            tokio::select! {
                () = self.lost.cancelled() => return Settled::Lost,
                () = tokio::time::sleep(pause.next().unwrap_or_default()) => {}
            }
        }
    }

    async fn delete(&self) -> Result<(), Failure> {
        let request = self.link.client.delete_message().queue_url(&self.link.settings.queue_url);
        request.receipt_handle(&self.receipt).send().await.map(drop).map_err(|error| Failure::of(&error))
    }

    async fn show(&self) -> Result<(), Failure> {
        let request = self.link.client.change_message_visibility().queue_url(&self.link.settings.queue_url);
        let request = request.receipt_handle(&self.receipt).visibility_timeout(0);
        request.send().await.map(drop).map_err(|error| Failure::of(&error))
    }
}

fn message(id: &str, system: &HashMap<System, String>, attributes: &Attributes, body: Vec<u8>) -> Message {
    let text = |name: &str| message::read(attributes, name).map(str::to_owned);
    let received = system.get(&System::ApproximateReceiveCount).and_then(|count| count.parse::<u64>().ok());
    Message {
        id: text(message::TASK_ID).unwrap_or_else(|| id.to_owned()),
        attempt: text(message::ATTEMPT).and_then(|attempt| attempt.parse().ok()).unwrap_or(1).max(1),
        redelivered: received.is_some_and(|count| count > 1),
        task_type: text(message::TASK_TYPE),
        content_type: text(message::CONTENT_TYPE),
        content_encoding: text(message::CONTENT_ENCODING),
        body,
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
        self.settle("DeleteMessage", || self.delete()).boxed()
    }

    fn release(&self) -> BoxFuture<'_, Settled> {
        async {
            // Before its time is made to end, or a renewal on its way could hide it again.
            self.link.keeper.forget(self.held);
            self.settle("ChangeMessageVisibility", || self.show()).await
        }
        .boxed()
    }

    fn dead_letter<'a>(&'a self, reason: &'a str) -> BoxFuture<'a, Result<(), DeadLetterError>> {
        let letter = Letter {
            message: &self.message,
            attributes: &self.attributes,
            group: self.group.as_deref(),
            reason,
            failed_at: SystemTime::now(),
        };
        async move { send(&self.link, letter).await }.boxed()
    }
}

impl Drop for Delivered {
    fn drop(&mut self) {
        self.link.keeper.forget(self.held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(attributes: &[(&str, &str)], receives: &str) -> Message {
        let attributes: Attributes =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), message::text(value).unwrap())).collect();
        let system = HashMap::from([(System::ApproximateReceiveCount, receives.to_owned())]);
        message("m-1", &system, &attributes, b"{}".to_vec())
    }

    #[test]
    fn the_tasks_id_is_its_attribute_and_else_the_messages() {
        assert_eq!(of(&[], "1").id, "m-1");
        assert_eq!(of(&[(message::TASK_ID, "t-7")], "1").id, "t-7");
    }

    #[test]
    fn headers_are_attributes_and_a_second_receive_is_a_redelivery() {
        let first = of(&[(message::TASK_TYPE, "review"), (message::CONTENT_TYPE, "application/json")], "1");
        assert_eq!((first.task_type.as_deref(), first.attempt, first.redelivered), (Some("review"), 1, false));
        assert_eq!(first.content_type.as_deref(), Some("application/json"));
        let again = of(&[(message::ATTEMPT, "3")], "2");
        assert_eq!((again.attempt, again.redelivered), (3, true));
        assert_eq!(of(&[(message::ATTEMPT, "many")], "1").attempt, 1);
    }
}
