//! Making the queue and one for its dead letters.

use std::collections::HashMap;

use anyhow::{Context, Result, anyhow};
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::QueueAttributeName;

use super::Queue;
use crate::aws::{self, Failure};

/// SQS itself dead-letters a message that was received more often, releases and lost workers included: far
/// above our own retries, so that a task fails for a reason and not for a count.
const MAX_RECEIVE_COUNT: u32 = 100;

/// Seconds: a worker that asks without a time of its own has as long as ours.
const VISIBILITY: u32 = 120;

/// Seconds for which dead letters are kept: as long as SQS allows.
const RETENTION: u32 = 14 * 86_400;

/// The name of the queue where the dead letters of `queue` go. That of a FIFO queue is one.
pub fn dead_letter_queue(queue: &str) -> String {
    match queue.strip_suffix(".fifo") {
        Some(name) => format!("{name}_failed.fifo"),
        None => format!("{queue}_failed"),
    }
}

impl Queue {
    /// The target first: there is no moment in which the work queue points nowhere. Repeating it changes nothing.
    pub(super) async fn declare_both(&self) -> Result<Vec<String>> {
        let name = aws::name(&self.url);
        let failed = dead_letter_queue(name);
        let retention = (QueueAttributeName::MessageRetentionPeriod, RETENTION.to_string());
        let (target, first) = self.declare_one(&failed, HashMap::from([retention])).await?;
        let target = match target {
            Some(url) => url,
            None => self.url_of(&failed).await?,
        };
        let redrive = serde_json::json!({
            "deadLetterTargetArn": self.arn(&target).await?, "maxReceiveCount": MAX_RECEIVE_COUNT.to_string(),
        });
        let attributes = HashMap::from([
            (QueueAttributeName::RedrivePolicy, redrive.to_string()),
            (QueueAttributeName::VisibilityTimeout, VISIBILITY.to_string()),
        ]);
        let (_, second) = self.declare_one(name, attributes).await?;
        Ok([first, second].into_iter().flatten().collect())
    }

    /// Its URL, or a note that it is there with other settings.
    async fn declare_one(
        &self,
        name: &str,
        mut attributes: HashMap<QueueAttributeName, String>,
    ) -> Result<(Option<String>, Option<String>)> {
        if aws::is_fifo(name) {
            attributes.insert(QueueAttributeName::FifoQueue, "true".to_owned());
        }
        let made = self.client.create_queue().queue_name(name).set_attributes(Some(attributes)).send().await;
        match made {
            Ok(made) => Ok((made.queue_url, None)),
            Err(error) if differs(error.code()) => {
                Ok((None, Some(format!("the queue {name:?} exists with other settings and is left as it is"))))
            }
            Err(error) => Err(anyhow!(self.words(&Failure::of(&error), "CreateQueue"))),
        }
    }

    async fn url_of(&self, name: &str) -> Result<String> {
        let answer = self.client.get_queue_url().queue_name(name).send().await;
        let answer = answer.map_err(|error| anyhow!(self.words(&Failure::of(&error), "GetQueueUrl")))?;
        answer.queue_url.with_context(|| format!("no URL of queue {name:?}"))
    }

    async fn arn(&self, url: &str) -> Result<String> {
        let name = QueueAttributeName::QueueArn;
        let request = self.client.get_queue_attributes().queue_url(url).attribute_names(name.clone());
        let answer = request.send().await;
        let answer = answer.map_err(|error| anyhow!(self.words(&Failure::of(&error), "GetQueueAttributes")))?;
        let arn = answer.attributes.and_then(|attributes| attributes.get(&name).cloned());
        arn.with_context(|| format!("no ARN of queue {:?}", aws::name(url)))
    }
}

fn differs(code: Option<&str>) -> bool {
    code.is_some_and(|code| code.contains("QueueNameExists") || code.contains("QueueAlreadyExists"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_letter_queue_of_a_fifo_queue_is_one() {
        assert_eq!(dead_letter_queue("work"), "work_failed");
        assert_eq!(dead_letter_queue("work.fifo"), "work_failed.fifo");
    }
}
