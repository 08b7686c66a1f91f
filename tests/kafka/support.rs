//! Small verbs: who reads what, as whom, and waiting for a reading.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use awp::brokers::kafka::{self, Identity, Isolation, OffsetReset, TlsFiles, Wanted};
use awp::brokers::{Brokers, Gaps, Interest, Live, Source, Subscription};
use awp::clock::Clock;
use awp::scaling::observation::{QueueCounts, QueueReading, Unknown};
use awp_testbed::Kafka;
use tokio::sync::Notify;

/// Longer than anything here can take on any machine that is not stuck.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A pool at zero that has worked before.
pub const ASLEEP: Interest = Interest { in_flight: false, by_worker: false, relaxed: false, begun: true };
/// One whose workers have never run.
pub const NEW: Interest = Interest { begun: false, ..ASLEEP };
pub const BUSY: Interest = Interest { in_flight: true, ..ASLEEP };
pub const BY_WORKER: Interest = Interest { by_worker: true, ..BUSY };

pub fn readers() -> Live {
    awp::brokers::live(Clock::starting_at(SystemTime::now()), rand::random::<f64>)
}

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
    let source = Source::Kafka(kafka::Source { broker: broker.clone(), wanted: wanted.clone() });
    let subscription = readers.subscribe(source, Arc::new(Notify::new()));
    subscription.set_interest(interest);
    Watching { subscription, group: wanted.group.clone() }
}

impl Watching {
    pub async fn known(&self, what: &str, enough: impl Fn(&QueueCounts) -> bool) -> QueueCounts {
        let counts = || match self.subscription.latest() {
            Some(QueueReading::Known(counts)) if enough(&counts) => Some(counts),
            _ => None,
        };
        self.wait(what, counts).await
    }

    /// Waits until so much is not committed.
    pub async fn lag(&self, lag: u64) -> QueueCounts {
        self.known(&format!("a lag of {lag}"), |counts| counts.ready == lag).await
    }

    /// Waits until the group is unknown for this reason.
    pub async fn unknown(&self, reason: &str) -> Unknown {
        let unknown = || match self.subscription.latest() {
            Some(QueueReading::Unknown(why)) if why.reason == reason => Some(why),
            _ => None,
        };
        self.wait(reason, unknown).await
    }

    pub async fn gap(&self, what: &str, part: impl Fn(Gaps) -> Option<Unknown>) -> Unknown {
        self.wait(what, || part(self.subscription.gaps())).await
    }

    pub async fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "waited in vain for {what} of {}: {:?}, gaps {:?}",
                self.group,
                self.subscription.latest(),
                self.subscription.gaps()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
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
