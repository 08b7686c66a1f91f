//! Dead letters: a copy with the reason, sent so that its arrival is known.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_sqs::error::BuildError;

use super::{Link, words};
use crate::aws::message::{self, Attributes, MOST_ATTRIBUTES};
use crate::aws::{self, Failure};
use crate::runtime::broker::{DeadLetterError, Message};

/// Bytes of a reason.
const LONGEST_REASON: usize = 1024;

pub(super) struct Letter<'a> {
    pub message: &'a Message,
    /// The original's.
    pub attributes: &'a Attributes,
    pub group: Option<&'a str>,
    pub reason: &'a str,
    pub failed_at: SystemTime,
}

/// `Ok` = the queue for dead letters has it.
pub(super) async fn send(link: &Link, letter: Letter<'_>) -> Result<(), DeadLetterError> {
    let settings = &link.settings;
    let target = &settings.dead_letter;
    let failed = |cause: String| {
        DeadLetterError(format!("the dead letter to queue {:?} is not confirmed: {cause}", aws::name(target)))
    };
    let body = std::str::from_utf8(&letter.message.body).map_err(|error| failed(error.to_string()))?;
    let attributes = attributes(&letter, &settings.queue_url).map_err(|error| failed(error.to_string()))?;
    let mut request =
        link.client.send_message().queue_url(target).message_body(body).set_message_attributes(Some(attributes));
    if aws::is_fifo(target) {
        // The same letter sent twice, because the first answer was lost, is one.
        let group = letter.group.unwrap_or("awp");
        request =
            request.message_group_id(group).message_deduplication_id(message::deduplication_id(&letter.message.id));
    }
    let sent = request.send().await.map_err(|error| Failure::of(&error));
    sent.map(drop).map_err(|failure| failed(words(&failure, &settings.identity, target, "SendMessage")))
}

/// Ours, then the original's as far as there is room; what describes the task comes first.
fn attributes(letter: &Letter<'_>, queue_url: &str) -> Result<Attributes, BuildError> {
    let failed_at = letter.failed_at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut attributes = Attributes::from([
        (message::TASK_ID.to_owned(), message::text(&letter.message.id)?),
        (message::REASON.to_owned(), message::text(bounded(letter.reason))?),
        (message::ATTEMPT.to_owned(), message::number(letter.message.attempt.into())?),
        (message::ORIGINAL_QUEUE.to_owned(), message::text(aws::name(queue_url))?),
        (message::FAILED_AT.to_owned(), message::number(failed_at)?),
    ]);
    let describing = [message::TASK_TYPE, message::CONTENT_TYPE, message::CONTENT_ENCODING, message::TRACEPARENT];
    let mut rest: Vec<_> = letter.attributes.iter().collect();
    rest.sort_by_key(|(name, _)| (!describing.contains(&name.as_str()), *name));
    for (name, value) in rest {
        if attributes.len() < MOST_ATTRIBUTES && !attributes.contains_key(name) {
            attributes.insert(name.clone(), value.clone());
        }
    }
    Ok(attributes)
}

fn bounded(reason: &str) -> &str {
    let mut ends = (0..=reason.len().min(LONGEST_REASON)).rev();
    &reason[..ends.find(|&end| reason.is_char_boundary(end)).unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_has_room_for_the_reason_however_many_attributes_the_task_had() {
        let original: Attributes = (0..10)
            .map(|index| (format!("a{index}"), message::text("x").unwrap()))
            .chain([(message::TASK_TYPE.to_owned(), message::text("review").unwrap())])
            .collect();
        let message = Message { id: "t1".into(), attempt: 2, ..Message::default() };
        let reason = "ü".repeat(1000);
        let letter = Letter {
            message: &message,
            attributes: &original,
            group: None,
            reason: &reason,
            failed_at: UNIX_EPOCH + std::time::Duration::from_secs(5),
        };
        let made = attributes(&letter, "https://sqs.eu-west-1.amazonaws.com/1/work").unwrap();
        assert_eq!(made.len(), MOST_ATTRIBUTES);
        let read = |name| message::read(&made, name);
        assert_eq!((read(message::TASK_ID), read(message::ATTEMPT)), (Some("t1"), Some("2")));
        assert_eq!((read(message::ORIGINAL_QUEUE), read(message::FAILED_AT)), (Some("work"), Some("5")));
        assert_eq!(read(message::TASK_TYPE), Some("review"), "what describes the task goes along first");
        assert_eq!(read(message::REASON).unwrap().len(), 1024);
    }
}
