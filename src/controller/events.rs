//! Kubernetes Events: on transitions only, and never so many that one pool drowns the others.

use std::time::Duration;

use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource, ResourceExt};
use tokio::time::timeout;

use crate::api::AgentWorkerPool;
use crate::api::names::reasons;
use crate::scaling::time::Timestamp;

/// Events of one pool in a row before it must wait, and how fast it may go on: client-go's spam filter has
/// the same shape (25, then one in 5 minutes); a pool that scales often has more to say.
const BURST: f64 = 20.0;
const PER_SECOND: f64 = 1.0 / 15.0;

/// One pool's allowance of events.
#[derive(Debug)]
pub struct Allowance {
    tokens: f64,
    at: Timestamp,
}

impl Allowance {
    pub fn new(now: Timestamp) -> Self {
        Self { tokens: BURST, at: now }
    }

    fn take(&mut self, now: Timestamp) -> bool {
        self.tokens = (self.tokens + now.since(self.at).max(0.0) * PER_SECOND).min(BURST);
        self.at = now;
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

/// Something that happened to a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// PascalCase past tense: `ScaledUp`.
    pub reason: &'static str,
    pub action: &'static str,
    pub warning: bool,
    pub note: String,
}

impl Happening {
    pub fn scaled(from: u32, to: u32, why: &str) -> Self {
        let reason = if to > from { reasons::SCALED_UP } else { reasons::SCALED_DOWN };
        Self { reason, action: "Scale", warning: false, note: format!("{from} → {to} workers: {why}") }
    }
}

/// The API server's limit on a note, bytes.
const NOTE_LIMIT: usize = 1000;

/// An event that takes longer is given up: what comes after it in a pass matters more.
const PATIENCE: Duration = Duration::from_secs(5);

/// Publishes what the allowance permits. A failed event is logged and forgotten: it must not hold up scaling.
pub async fn publish(
    client: &Client,
    pool: &AgentWorkerPool,
    allowance: &mut Allowance,
    happenings: &[Happening],
    now: Timestamp,
) {
    for happening in happenings {
        if !allowance.take(now) {
            tracing::debug!(pool = %pool.name_any(), reason = happening.reason, "event left out: too many in a row");
            continue;
        }
        let event = Event {
            type_: if happening.warning { EventType::Warning } else { EventType::Normal },
            reason: happening.reason.into(),
            action: happening.action.into(),
            note: Some(truncated(&happening.note)),
            secondary: None,
        };
        // A recorder that lives on would count a second event of the same reason on the first one, and lose its note.
        let recorder = Recorder::new(client.clone(), Reporter { controller: "awp".into(), instance: None });
        match timeout(PATIENCE, recorder.publish(&event, &pool.object_ref(&()))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(pool = %pool.name_any(), reason = happening.reason, %error, "event not published");
            }
            Err(_) => {
                tracing::warn!(pool = %pool.name_any(), reason = happening.reason, "event not answered in {PATIENCE:?}");
                // The rest would fare no better.
                return;
            }
        }
    }
}

fn truncated(note: &str) -> String {
    let whole = note.char_indices().take_while(|(at, character)| at + character.len_utf8() <= NOTE_LIMIT);
    whole.map(|(_, character)| character).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_talks_too_much_is_heard_again_after_a_while() {
        let mut allowance = Allowance::new(Timestamp(0.0));
        let heard = (0..100).filter(|_| allowance.take(Timestamp(0.0))).count();
        assert_eq!(heard, 20);
        assert!(!allowance.take(Timestamp(10.0)));
        assert!(allowance.take(Timestamp(16.0)));
    }

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let note = "ü".repeat(600);
        assert_eq!(truncated(&note).chars().count(), 500);
    }
}
