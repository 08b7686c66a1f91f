//! As many tasks to a request as it may hold; what is throttled is sent again.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use super::Queue;
use crate::aws::message::{self, Attributes};
use crate::aws::{self, Failure, Kind};
use crate::publishing::tasks::Task;
use crate::publishing::{Progress, Sent};

/// What one request may hold: messages, and bytes with their attributes.
const MOST: usize = 10;
const MOST_BYTES: usize = 256 * 1024;

/// For the names and types of attributes beside their values.
const OVERHEAD: usize = 256;

/// Tries of what is throttled, half a second to eight between them.
const TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Splits tasks into batches by number and size. A task that is too large for any is a batch of its own,
/// which the broker refuses.
fn batches(tasks: &[Task]) -> Vec<&[Task]> {
    let size = |task: &Task| {
        task.body.len() + task.id.len() + task.kind.as_ref().map_or(0, String::len) + task.content_type.len() + OVERHEAD
    };
    let (mut batches, mut start, mut bytes) = (vec![], 0, 0);
    for (index, task) in tasks.iter().enumerate() {
        let full = index - start == MOST || (index > start && bytes + size(task) > MOST_BYTES);
        if full {
            batches.push(&tasks[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += size(task);
    }
    if start < tasks.len() {
        batches.push(&tasks[start..]);
    }
    batches
}

impl Queue {
    pub(super) async fn send_all(&self, tasks: &[Task], progress: &mut Progress<'_>) -> Sent {
        let mut sent = Sent::default();
        for batch in batches(tasks) {
            if sent.failure.is_some() {
                sent.unsent += batch.len();
                continue;
            }
            let before = sent.confirmed.len();
            self.send_batch(batch, &mut sent).await;
            progress(&sent.confirmed[before..]);
        }
        sent
    }

    async fn send_batch(&self, batch: &[Task], sent: &mut Sent) {
        let mut left: Vec<&Task> = batch.iter().collect();
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=TRIES {
            match self.try_batch(&left).await {
                Ok(outcome) => {
                    sent.confirmed.extend(outcome.confirmed.iter().map(|task| task.id.clone()));
                    sent.refused += outcome.refused;
                    left = outcome.again;
                }
                // Before the answer was read the broker may have taken them.
                Err(failure) if failure.kind == Kind::Unreachable && failure.detail.contains("in time") => {
                    sent.unknown += left.len();
                    sent.failure = Some(self.words(&failure, "SendMessage"));
                    return;
                }
                // One task that is not taken, for its size or its letters, says nothing of the others.
                Err(failure) if failure.kind == Kind::Refused && left.len() == 1 => {
                    sent.refused += 1;
                    return;
                }
                Err(failure) if !failure.is_transient() || attempt == TRIES => {
                    sent.unsent += left.len();
                    sent.failure = Some(self.words(&failure, "SendMessage"));
                    return;
                }
                Err(_) => {}
            }
            if left.is_empty() {
                return;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        sent.refused += left.len();
    }

    async fn try_batch<'a>(&self, tasks: &[&'a Task]) -> Result<Outcome<'a>, Failure> {
        let entries: Result<Vec<_>, BuildError> =
            tasks.iter().enumerate().map(|(index, task)| self.entry(index, task)).collect();
        let entries = entries.map_err(|error| Failure::new(Kind::Refused, error.to_string()))?;
        let request = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
        let answer = request.send().await.map_err(|error| Failure::of(&error))?;
        let by_id: HashMap<String, &Task> =
            tasks.iter().enumerate().map(|(index, task)| (index.to_string(), *task)).collect();
        let mut outcome = Outcome::default();
        outcome.confirmed.extend(answer.successful().iter().filter_map(|done| by_id.get(done.id())));
        for failed in answer.failed() {
            let passes = matches!(Kind::of_code(failed.code()), Some(Kind::Throttled | Kind::Server));
            match by_id.get(failed.id()) {
                Some(task) if passes || !failed.sender_fault() => outcome.again.push(task),
                _ => outcome.refused += 1,
            }
        }
        Ok(outcome)
    }

    fn entry(&self, index: usize, task: &Task) -> Result<SendMessageBatchRequestEntry, BuildError> {
        let mut attributes = Attributes::from([
            (message::TASK_ID.to_owned(), message::text(&task.id)?),
            (message::CONTENT_TYPE.to_owned(), message::text(task.content_type)?),
        ]);
        if let Some(kind) = &task.kind {
            attributes.insert(message::TASK_TYPE.to_owned(), message::text(kind)?);
        }
        let entry = SendMessageBatchRequestEntry::builder()
            .id(index.to_string())
            .message_body(String::from_utf8_lossy(&task.body))
            .set_message_attributes(Some(attributes));
        if !aws::is_fifo(&self.url) {
            return entry.build();
        }
        let id = message::deduplication_id(&task.id);
        entry.message_group_id(self.group.as_deref().unwrap_or(&id)).message_deduplication_id(&id).build()
    }
}

#[derive(Debug, Default)]
struct Outcome<'a> {
    confirmed: Vec<&'a Task>,
    refused: usize,
    /// Throttled: to be sent again.
    again: Vec<&'a Task>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(sizes: &[usize]) -> Vec<Task> {
        sizes.iter().map(|size| Task { body: vec![b'x'; *size], ..Task::simulated(1.0) }).collect()
    }

    fn split(sizes: &[usize]) -> Vec<usize> {
        batches(&tasks(sizes)).iter().map(|batch| batch.len()).collect()
    }

    #[test]
    fn a_batch_holds_ten_messages_and_a_quarter_of_a_mebibyte() {
        assert_eq!(split(&[10; 25]), [10, 10, 5]);
        assert_eq!(split(&[100_000; 5]), [2, 2, 1]);
        assert_eq!(split(&[10, 300_000, 10]), [1, 1, 1], "one too large is alone, and refused alone");
        assert_eq!(split(&[]), Vec::<usize>::new());
    }
}
