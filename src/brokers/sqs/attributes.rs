//! The answer of `GetQueueAttributes`, understood. Pure.

use std::collections::HashMap;

use aws_sdk_sqs::types::QueueAttributeName;
use serde::Deserialize;
use serde_json::Value;

use super::belief::Look;
use crate::aws;
use crate::brokers::{DeadLetterTarget, QueueFacts};
use crate::scaling::time::Timestamp;

/// What is asked for: nothing is told that is not named.
pub const ASKED: [QueueAttributeName; 4] = [
    QueueAttributeName::ApproximateNumberOfMessages,
    QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    QueueAttributeName::RedrivePolicy,
];

/// Of a dead-letter queue.
pub const DEPTH: [QueueAttributeName; 3] = [
    QueueAttributeName::ApproximateNumberOfMessages,
    QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    QueueAttributeName::ApproximateNumberOfMessagesDelayed,
];

/// Attributes by name, as text.
pub type Attributes = HashMap<QueueAttributeName, String>;

fn number(attributes: &Attributes, name: &QueueAttributeName) -> Option<u64> {
    attributes.get(name)?.parse().ok()
}

/// `None` = a count is missing, which is not 0.
pub fn look(attributes: &Attributes, at: Timestamp) -> Option<Look> {
    Some(Look {
        visible: number(attributes, &QueueAttributeName::ApproximateNumberOfMessages)?,
        in_flight: number(attributes, &QueueAttributeName::ApproximateNumberOfMessagesNotVisible)?,
        delayed: number(attributes, &QueueAttributeName::ApproximateNumberOfMessagesDelayed)?,
        at,
    })
}

/// Everything in a dead-letter queue.
pub fn depth(attributes: &Attributes) -> Option<u64> {
    let Look { visible, in_flight, delayed, .. } = look(attributes, Timestamp::default())?;
    Some(visible.saturating_add(in_flight).saturating_add(delayed))
}

/// What a queue's redrive policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    pub queue: String,
    /// SQS itself dead-letters a message that was received more often.
    pub max_receive_count: u64,
}

/// Some writers make `maxReceiveCount` a text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: String,
    #[serde(default)]
    max_receive_count: Value,
}

pub fn redrive(url: &str, attributes: &Attributes) -> Option<Redrive> {
    let policy = attributes.get(&QueueAttributeName::RedrivePolicy)?;
    let policy: RedrivePolicy = serde_json::from_str(policy).ok()?;
    let count = &policy.max_receive_count;
    Some(Redrive {
        queue: aws::sibling(url, &policy.dead_letter_target_arn)?,
        max_receive_count: count.as_u64().or_else(|| count.as_str()?.parse().ok()).unwrap_or(0),
    })
}

pub fn facts(url: &str, attributes: &Attributes) -> QueueFacts {
    QueueFacts {
        dead_letter: redrive(url, attributes).map(|redrive| DeadLetterTarget::Queue(redrive.queue)),
        queue_type: Some(if aws::is_fifo(url) { "fifo" } else { "standard" }.to_owned()),
        cluster: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/work";

    fn attributes(values: &[(QueueAttributeName, &str)]) -> Attributes {
        values.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_missing_count_is_not_zero() {
        let [visible, in_flight, delayed, _] = ASKED;
        let whole = attributes(&[(visible.clone(), "5"), (in_flight.clone(), "2"), (delayed, "1")]);
        let at = Timestamp(7.0);
        assert_eq!(look(&whole, at), Some(Look { visible: 5, in_flight: 2, delayed: 1, at }));
        assert_eq!(depth(&whole), Some(8));
        assert_eq!(look(&attributes(&[(visible, "5"), (in_flight, "2")]), at), None);
        assert_eq!(look(&Attributes::new(), at), None);
    }

    #[test]
    fn the_redrive_policy_leads_to_the_dead_letter_queue() {
        for count in ["5", "\"5\""] {
            let policy = format!(
                "{{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-west-1:123456789012:failed\",\"maxReceiveCount\":{count}}}"
            );
            let found = redrive(URL, &attributes(&[(QueueAttributeName::RedrivePolicy, &policy)])).unwrap();
            assert_eq!(found.queue, "https://sqs.eu-west-1.amazonaws.com/123456789012/failed");
            assert_eq!(found.max_receive_count, 5);
        }
        assert_eq!(redrive(URL, &Attributes::new()), None);
        assert_eq!(redrive(URL, &attributes(&[(QueueAttributeName::RedrivePolicy, "{}")])), None);
    }
}
