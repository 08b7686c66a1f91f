//! One record as it came, and the message in it.

use std::sync::Arc;

use rdkafka::Message as _;
use rdkafka::message::{BorrowedMessage, Headers};
use tracing::warn;

use crate::runtime::broker::Message;

/// A partition: topic and number.
pub type Key = (Arc<str>, i32);

#[derive(Clone, Debug)]
pub struct Record {
    pub key: Key,
    pub offset: i64,
    /// What the producer chose the partition by.
    pub chosen_by: Option<Vec<u8>>,
    /// In order; a name may come more than once.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub message: Message,
}

impl Record {
    pub fn new(from: &BorrowedMessage<'_>) -> Self {
        let key: Key = (from.topic().into(), from.partition());
        let headers = headers(from).unwrap_or_else(|| {
            warn!(
                topic = from.topic(),
                partition = from.partition(),
                offset = from.offset(),
                "the name of a header is no text; the record is taken without headers"
            );
            Vec::new()
        });
        let body = from.payload().unwrap_or_default().to_vec();
        let message = message(&key, from.offset(), &headers, body);
        Self { key, offset: from.offset(), chosen_by: from.key().map(<[u8]>::to_vec), headers, message }
    }

    /// Bytes, about.
    pub fn size(&self) -> usize {
        let headers: usize =
            self.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len)).sum();
        self.message.body.len() + self.chosen_by.as_ref().map_or(0, Vec::len) + headers
    }
}

/// The crate panics at a name that is not UTF-8, and a stranger's record must not end the worker, nor
/// come back to end the next one.
fn headers(from: &BorrowedMessage<'_>) -> Option<Vec<(String, Option<Vec<u8>>)>> {
    let read = || {
        let all = from.headers().into_iter().flat_map(Headers::iter);
        all.map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).ok()
}

fn message((topic, partition): &Key, offset: i64, headers: &[(String, Option<Vec<u8>>)], body: Vec<u8>) -> Message {
    Message {
        id: text(headers, "awp-task-id").unwrap_or_else(|| format!("{topic}-{partition}-{offset}")),
        attempt: text(headers, "awp-attempt").and_then(|text| text.parse().ok()).unwrap_or(1).max(1),
        // Kafka does not tell.
        redelivered: false,
        task_type: text(headers, "awp-task-type"),
        content_type: text(headers, "content-type"),
        content_encoding: text(headers, "content-encoding"),
        body,
    }
}

/// The last one counts, as with Kafka's own `lastHeader`. What is no text is no value.
fn text(headers: &[(String, Option<Vec<u8>>)], name: &str) -> Option<String> {
    let (_, value) = headers.iter().rev().find(|(header, _)| header == name)?;
    String::from_utf8(value.clone()?).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&str, &[u8])]) -> Message {
        let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), Some(value.to_vec()))).collect();
        message(&("work".into(), 3), 42, &headers, b"x".to_vec())
    }

    #[test]
    fn a_task_without_an_id_is_called_by_its_place() {
        assert_eq!(of(&[]).id, "work-3-42");
        assert_eq!(of(&[("awp-task-id", b"")]).id, "work-3-42");
        assert_eq!(of(&[("awp-task-id", &[0xff])]).id, "work-3-42");
        assert_eq!(of(&[("awp-task-id", b"a"), ("awp-task-id", b"b")]).id, "b");
    }

    #[test]
    fn headers_tell_what_the_task_is() {
        let message = of(&[
            ("awp-attempt", b"3"),
            ("awp-task-type", b"review"),
            ("content-type", b"application/json"),
            ("content-encoding", b"gzip"),
        ]);
        assert_eq!((message.attempt, message.task_type.as_deref()), (3, Some("review")));
        assert_eq!(message.content_type.as_deref(), Some("application/json"));
        assert_eq!(message.content_encoding.as_deref(), Some("gzip"));
        for attempt in [&b"0"[..], b"-1", b"many", &[0xff], b""] {
            assert_eq!(of(&[("awp-attempt", attempt)]).attempt, 1);
        }
    }
}
