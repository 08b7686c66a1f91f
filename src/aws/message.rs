//! How a task travels as a message of SQS: its headers are message attributes.

use std::collections::HashMap;

use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::MessageAttributeValue;

/// The task's id: a message's own id changes with every redrive.
pub const TASK_ID: &str = "awp-task-id";
pub const ATTEMPT: &str = "awp-attempt";
pub const TASK_TYPE: &str = "awp-task-type";
/// Why a task was dead-lettered.
pub const REASON: &str = "awp-reason";
/// The queue that a dead letter comes from.
pub const ORIGINAL_QUEUE: &str = "awp-original-queue";
/// When it failed, Unix seconds.
pub const FAILED_AT: &str = "awp-failed-at";
pub const CONTENT_TYPE: &str = "content-type";
pub const CONTENT_ENCODING: &str = "content-encoding";
pub const TRACEPARENT: &str = "traceparent";

/// A message carries no more.
pub const MOST_ATTRIBUTES: usize = 10;

pub type Attributes = HashMap<String, MessageAttributeValue>;

/// Text without what SQS refuses: most control characters, and nothing at all.
pub fn text(value: &str) -> Result<MessageAttributeValue, BuildError> {
    let allowed = |it: char| matches!(it, '\t' | '\n' | '\r' | ' '..) && !matches!(it, '\u{fffe}' | '\u{ffff}');
    let clean: String = value.chars().map(|it| if allowed(it) { it } else { ' ' }).collect();
    let clean = if clean.is_empty() { " ".to_owned() } else { clean };
    MessageAttributeValue::builder().data_type("String").string_value(clean).build()
}

pub fn number(value: u64) -> Result<MessageAttributeValue, BuildError> {
    MessageAttributeValue::builder().data_type("Number").string_value(value.to_string()).build()
}

/// A task's id as a FIFO queue takes it to tell doubles: at most 128 letters, digits and signs.
pub fn deduplication_id(id: &str) -> String {
    id.chars().map(|it| if it.is_ascii_graphic() { it } else { '_' }).take(128).collect()
}

/// What an attribute says, where it is text or a number.
pub fn read<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a str> {
    attributes.get(name)?.string_value().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqs_refuses_in_a_text_is_taken_out() {
        let of = |value| text(value).unwrap().string_value().unwrap().to_owned();
        assert_eq!(of("a\u{0}b\u{1b}[31m\nc ü→"), "a b [31m\nc ü→");
        assert_eq!(of(""), " ");
    }
}
