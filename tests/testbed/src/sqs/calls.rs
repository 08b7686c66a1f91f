//! Queues and messages by SQS's JSON protocol, on a connection per call.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::Sqs;
use crate::base::http;

/// The messages of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub visible: u64,
    pub in_flight: u64,
    pub delayed: u64,
}

impl Counts {
    pub fn total(&self) -> u64 {
        self.visible + self.in_flight + self.delayed
    }
}

/// What one batch may hold.
const BATCH: usize = 10;

impl Sqs {
    /// Any action of the API.
    pub async fn call(&self, action: &str, input: &Value) -> Result<Value> {
        let request = http::client(Duration::from_secs(30))?
            .post(self.endpoint())
            .header("X-Amz-Target", format!("AmazonSQS.{action}"))
            .header("Content-Type", "application/x-amz-json-1.0");
        let answer = request.body(input.to_string()).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            bail!("{action}: {status} {text}");
        }
        serde_json::from_str(if text.is_empty() { "{}" } else { &text }).with_context(|| format!("{action}: {text}"))
    }

    /// Makes a queue with these attributes; answers its URL.
    pub async fn create(&self, name: &str, attributes: &Value) -> Result<String> {
        let mut input = json!({ "QueueName": name });
        if attributes.as_object().is_some_and(|attributes| !attributes.is_empty()) {
            input["Attributes"] = attributes.clone();
        }
        let made = self.call("CreateQueue", &input).await?;
        Ok(made["QueueUrl"].as_str().context("no QueueUrl")?.to_owned())
    }

    /// A new standard queue and one for its dead letters, `NAME_failed`; answers both URLs.
    pub async fn queue(&self, prefix: &str) -> Result<(String, String)> {
        let name = self.unique(prefix, "");
        let failed = self.create(&format!("{name}_failed"), &json!({})).await?;
        let redrive = json!({ "deadLetterTargetArn": arn(&format!("{name}_failed")), "maxReceiveCount": "100" });
        let url = self.create(&name, &json!({ "RedrivePolicy": redrive.to_string() })).await?;
        Ok((url, failed))
    }

    /// A new FIFO queue.
    pub async fn fifo(&self, prefix: &str) -> Result<String> {
        let name = self.unique(prefix, ".fifo");
        self.create(&name, &json!({ "FifoQueue": "true", "ContentBasedDeduplication": "false" })).await
    }

    pub async fn delete_queue(&self, url: &str) -> Result<()> {
        self.call("DeleteQueue", &json!({ "QueueUrl": url })).await.map(drop)
    }

    /// Sends these bodies; in a FIFO queue by turns to `groups` message groups.
    pub async fn send(&self, url: &str, bodies: impl IntoIterator<Item = String>, groups: usize) -> Result<()> {
        let fifo = url.strip_suffix(".fifo").is_some();
        let entries: Vec<Value> = bodies
            .into_iter()
            .enumerate()
            .map(|(index, body)| {
                let mut entry = json!({ "Id": format!("e{index}"), "MessageBody": body });
                if fifo {
                    entry["MessageGroupId"] = json!(format!("g{}", index % groups.max(1)));
                    entry["MessageDeduplicationId"] = json!(self.unique("d", ""));
                }
                entry
            })
            .collect();
        for batch in entries.chunks(BATCH) {
            let sent = self.call("SendMessageBatch", &json!({ "QueueUrl": url, "Entries": batch })).await?;
            let failed = sent["Failed"].as_array().map_or(0, Vec::len);
            if failed > 0 {
                bail!("{failed} messages were not taken: {sent}");
            }
        }
        Ok(())
    }

    /// Takes up to ten messages, hidden from others for `visibility` seconds, with all that is known of them.
    pub async fn receive(&self, url: &str, visibility: u32) -> Result<Vec<Value>> {
        let input = json!({
            "QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": visibility,
            "AttributeNames": ["All"], "MessageAttributeNames": ["All"],
        });
        let answer = self.call("ReceiveMessage", &input).await?;
        Ok(answer["Messages"].as_array().cloned().unwrap_or_default())
    }

    pub async fn delete(&self, url: &str, message: &Value) -> Result<()> {
        let input = json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] });
        self.call("DeleteMessage", &input).await.map(drop)
    }

    pub async fn counts(&self, url: &str) -> Result<Counts> {
        let input = json!({ "QueueUrl": url, "AttributeNames": ["All"] });
        let answer = self.call("GetQueueAttributes", &input).await?;
        let count = |name: &str| -> Result<u64> {
            let text = answer["Attributes"][name].as_str().with_context(|| format!("no {name}"))?;
            Ok(text.parse()?)
        };
        Ok(Counts {
            visible: count("ApproximateNumberOfMessages")?,
            in_flight: count("ApproximateNumberOfMessagesNotVisible")?,
            delayed: count("ApproximateNumberOfMessagesDelayed")?,
        })
    }
}

/// The ARN of a queue of this server.
pub fn arn(name: &str) -> String {
    format!("arn:aws:sqs:{}:{}:{name}", super::REGION, super::ACCOUNT)
}
