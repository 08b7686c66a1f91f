//! Dead letters: a copy with the reason, produced so that its arrival is known.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::sync::Mutex;

use super::Settings;
use super::record::Record;
use crate::librdkafka::{self, Complaints};
use crate::runtime::broker::DeadLetterError;

/// All in-sync replicas have it, or it has failed.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a reason.
const LONGEST_REASON: usize = 1024;
/// What we write; an earlier letter's is replaced.
const OURS: [&str; 7] = [
    "awp-task-id",
    "awp-attempt",
    "awp-reason",
    "awp-failed-at",
    "awp-original-topic",
    "awp-original-partition",
    "awp-original-offset",
];

type Producer = FutureProducer<Complaints>;

pub struct DeadLetters {
    settings: Arc<Settings>,
    /// Made when the first is needed, and anew after a failure: it may be the login that has changed.
    producer: Mutex<Option<Producer>>,
    complaints: Complaints,
}

impl std::fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadLetters").field("topic", &self.settings.dead_letter).finish_non_exhaustive()
    }
}

impl DeadLetters {
    pub fn new(settings: Arc<Settings>) -> Self {
        Self { settings, producer: Mutex::new(None), complaints: Complaints::default() }
    }

    /// `Ok` = all in-sync replicas have it.
    pub async fn send(&self, record: &Record, reason: &str, failed_at: SystemTime) -> Result<(), DeadLetterError> {
        let producer = self.producer().await?;
        let mut letter: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(&self.settings.dead_letter)
            .payload(record.message.body.as_slice())
            .headers(headers(record, reason, failed_at));
        letter.key = record.chosen_by.as_deref();
        match producer.send(letter, Duration::ZERO).await {
            Ok(_) => Ok(()),
            Err((error, _)) => {
                self.close().await;
                Err(self.failed(&self.because(&error)))
            }
        }
    }

    /// Its destructor blocks, for half a second at most.
    pub async fn close(&self) {
        if let Some(producer) = self.producer.lock().await.take() {
            tokio::task::spawn_blocking(move || drop(producer));
        }
    }

    async fn producer(&self) -> Result<Producer, DeadLetterError> {
        let mut producer = self.producer.lock().await;
        if let Some(open) = &*producer {
            return Ok(open.clone());
        }
        let mut config = self.settings.connection.config().map_err(|error| self.failed(&error.to_string()))?;
        librdkafka::certain(&mut config, CONFIRM_TIMEOUT);
        let made = config.create_with_context(self.complaints.clone());
        let made: Producer = made.map_err(|error| self.failed(&librdkafka::refused(error).to_string()))?;
        *producer = Some(made.clone());
        Ok(made)
    }

    fn because(&self, error: &KafkaError) -> String {
        use RDKafkaErrorCode::{
            MessageSizeTooLarge, MessageTimedOut, TopicAuthorizationFailed, UnknownTopic, UnknownTopicOrPartition,
        };
        match error.rdkafka_error_code() {
            Some(MessageSizeTooLarge) => {
                "it is larger than the topic takes: raise its max.message.bytes above the work topic's".to_owned()
            }
            Some(UnknownTopicOrPartition | UnknownTopic) => "there is no such topic: create it".to_owned(),
            Some(TopicAuthorizationFailed) => "the login may not write to it: grant Write on the topic".to_owned(),
            Some(MessageTimedOut) => {
                let seconds = CONFIRM_TIMEOUT.as_secs();
                format!("no confirmation within {seconds} s: {}", self.complaints.explain(error))
            }
            _ => self.complaints.explain(error),
        }
    }

    fn failed(&self, cause: &str) -> DeadLetterError {
        DeadLetterError(format!(
            "the dead letter to the topic {:?} is not confirmed: {cause}",
            self.settings.dead_letter
        ))
    }
}

/// All of the original's, then ours.
fn headers(record: &Record, reason: &str, failed_at: SystemTime) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new();
    for (name, value) in record.headers.iter().filter(|(name, _)| !OURS.contains(&name.as_str())) {
        headers = headers.insert(Header { key: name, value: value.as_deref() });
    }
    let (topic, partition) = &record.key;
    let values = [
        record.message.id.clone(),
        record.message.attempt.to_string(),
        bounded(reason).to_owned(),
        failed_at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).to_string(),
        topic.to_string(),
        partition.to_string(),
        record.offset.to_string(),
    ];
    for (key, value) in OURS.into_iter().zip(&values) {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    headers
}

fn bounded(reason: &str) -> &str {
    let ends = (0..=reason.len().min(LONGEST_REASON)).rev();
    &reason[..ends.into_iter().find(|&end| reason.is_char_boundary(end)).unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use rdkafka::message::Headers;

    use super::*;
    use crate::runtime::broker::Message;

    #[test]
    fn a_copy_keeps_the_original_s_headers_and_says_why_it_failed() {
        let message = Message { id: "t1".into(), attempt: 2, ..Message::default() };
        let record = Record {
            key: ("work".into(), 3),
            offset: 42,
            chosen_by: None,
            headers: vec![
                ("traceparent".into(), Some(b"00-1".to_vec())),
                ("awp-reason".into(), Some(b"earlier".to_vec())),
                ("null".into(), None),
            ],
            message,
        };
        let copy = headers(&record, &"ü".repeat(1000), UNIX_EPOCH + Duration::from_secs(5));
        let all: Vec<_> = copy.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect();
        let of =
            |name: &str| all.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect::<Vec<_>>();
        let text = |text: &str| vec![Some(text.as_bytes().to_vec())];
        assert_eq!(of("traceparent"), text("00-1"));
        assert_eq!(of("null"), vec![None]);
        assert_eq!(of("awp-task-id"), text("t1"));
        assert_eq!(of("awp-attempt"), text("2"));
        assert_eq!(of("awp-failed-at"), text("5"));
        assert_eq!((of("awp-original-topic"), of("awp-original-partition")), (text("work"), text("3")));
        assert_eq!(of("awp-original-offset"), text("42"));
        assert_eq!(of("awp-reason").len(), 1);
        assert_eq!(of("awp-reason")[0].as_ref().unwrap().len(), 1024);
    }
}
