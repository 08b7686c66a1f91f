//! What a client says of its troubles.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tracing::{debug, warn};

/// Remembers the last complaint: a call that fails says only that it failed. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Complaints {
    last: Arc<Mutex<Option<String>>>,
}

/// A broker hangs up on whoever gives a wrong password or speaks another protocol, and says no more.
const SILENT_REFUSALS: &str =
    "a wrong password, mechanism or protocol (TLS or not) shows as a lost connection only: check these as well";

impl Complaints {
    /// `error` with what is known of its cause.
    pub fn explain(&self, error: &KafkaError) -> String {
        let error = match error.rdkafka_error_code() {
            Some(code) => code.to_string(),
            None => error.to_string(),
        };
        match self.last().take() {
            Some(last) => format!("{error} ({last}); {SILENT_REFUSALS}"),
            None => format!("{error}; {SILENT_REFUSALS}"),
        }
    }

    fn keep(&self, text: &str) {
        *self.last() = Some(without_thread(text).to_owned());
    }

    fn last(&self) -> MutexGuard<'_, Option<String>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `[thrd:main]: text` → `text`.
fn without_thread(text: &str) -> &str {
    let after = text.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: "));
    after.map_or(text, |(_, text)| text)
}

impl ClientContext for Complaints {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        if matches!(level, RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug) {
            return;
        }
        self.keep(text);
        debug!(facility, "librdkafka: {}", without_thread(text));
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.keep(reason);
        // Each broker's loss was told already.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            warn!(reason, "Kafka: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_with_the_last_complaint_and_what_it_may_hide() {
        let complaints = Complaints::default();
        let failed = KafkaError::MetadataFetch(RDKafkaErrorCode::BrokerTransportFailure);
        assert!(complaints.explain(&failed).contains("a wrong password"));
        complaints.log(RDKafkaLogLevel::Error, "FAIL", "[thrd:kafka:9092/bootstrap]: kafka:9092: Connection refused");
        complaints.log(RDKafkaLogLevel::Info, "X", "of no account");
        let text = complaints.explain(&failed);
        assert!(text.contains("(kafka:9092: Connection refused); "), "{text}");
        assert!(!complaints.explain(&failed).contains("refused)"), "an old complaint is not repeated");
    }
}
