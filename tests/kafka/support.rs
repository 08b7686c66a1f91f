//! Small verbs: who reads what, as whom, and waiting for a reading.

use std::sync::Arc;
use std::time::Duration;

use awp::brokers::kafka::{self, Identity, Isolation, OffsetReset, TlsFiles, Wanted};
use awp::brokers::{Brokers, Gaps, Interest, Live, Source, Subscription};
use awp::scaling::observation::{QueueCounts, QueueReading, Unknown};
use awp_testbed::Kafka;
use tokio::sync::Notify;

use crate::readings::View;
pub use crate::readings::{PATIENCE, readers};

/// A pool at zero that has worked before.
pub const ASLEEP: Interest = Interest { in_flight: false, by_worker: false, relaxed: false, begun: true };
/// One whose workers have never run.
pub const NEW: Interest = Interest { begun: false, ..ASLEEP };
pub const BUSY: Interest = Interest { in_flight: true, ..ASLEEP };
pub const BY_WORKER: Interest = Interest { by_worker: true, ..BUSY };

/// An administrator without login.
pub fn plain(kafka: &Kafka) -> Identity {
    identity(kafka.bootstrap())
}

pub fn identity(bootstrap: Vec<String>) -> Identity {
    Identity { bootstrap, encrypted: false, files: TlsFiles::default(), login: None }
}

/// As the defaults of the API have it.
pub fn wanted(group: &str, topics: &[&str]) -> Wanted {
    Wanted {
        group: group.to_owned(),
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        reset: OffsetReset::Earliest,
        isolation: Isolation::ReadCommitted,
        start_from: None,
        keeps_position: true,
    }
}

/// One pool's view of one group.
pub struct Watching {
    pub subscription: Box<dyn Subscription>,
    group: String,
}

pub fn watch(readers: &Live, broker: &Identity, wanted: &Wanted, interest: Interest) -> Watching {
    watch_with(readers, broker, wanted, interest, None)
}

/// The same for a pool that names a topic for its dead letters.
pub fn watch_with(
    readers: &Live,
    broker: &Identity,
    wanted: &Wanted,
    interest: Interest,
    dead_letter_topic: Option<&str>,
) -> Watching {
    let dead_letter_topic = dead_letter_topic.map(str::to_owned);
    let source = kafka::Source { broker: broker.clone(), wanted: wanted.clone(), dead_letter_topic };
    let source = Source::Kafka(source);
    let subscription = readers.subscribe(source, Arc::new(Notify::new()));
    subscription.set_interest(interest);
    Watching { subscription, group: wanted.group.clone() }
}

impl Watching {
    fn view(&self) -> View<'_> {
        View { subscription: &*self.subscription, of: &self.group }
    }

    pub async fn known(&self, what: &str, enough: impl Fn(&QueueCounts) -> bool) -> QueueCounts {
        self.view().known(what, enough).await
    }

    /// Waits until so much is not committed.
    pub async fn lag(&self, lag: u64) -> QueueCounts {
        self.known(&format!("a lag of {lag}"), |counts| counts.ready == lag).await
    }

    /// Waits until the group is unknown for this reason.
    pub async fn unknown(&self, reason: &str) -> Unknown {
        self.view().unknown(reason).await
    }

    pub async fn gap(&self, what: &str, part: impl Fn(Gaps) -> Option<Unknown>) -> Unknown {
        self.wait(what, || part(self.subscription.gaps())).await
    }

    pub async fn wait<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        self.view().wait(what, look).await
    }

    /// Looks on for a while: the reading must not be anything that `wrong` says yes to.
    pub async fn never(&self, what: &str, time: Duration, wrong: impl Fn(&QueueReading) -> bool) {
        let end = tokio::time::Instant::now() + time;
        while tokio::time::Instant::now() < end {
            let reading = self.subscription.latest();
            assert!(!reading.as_ref().is_some_and(&wrong), "{what}: {reading:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
