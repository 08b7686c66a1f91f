//! Waiting for what a reader of a broker says.

use std::time::{Duration, SystemTime};

use awp::brokers::{Live, Subscription};
use awp::clock::Clock;
use awp::scaling::observation::{QueueCounts, QueueReading, Unknown};

/// Longer than anything here can take on any machine that is not stuck.
pub const PATIENCE: Duration = Duration::from_secs(90);

pub fn readers() -> Live {
    awp::brokers::live(Clock::starting_at(SystemTime::now()), rand::random::<f64>)
}

/// One pool's view; `of` is what it looks at, for people.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub subscription: &'a dyn Subscription,
    pub of: &'a str,
}

impl View<'_> {
    pub async fn known(self, what: &str, enough: impl Fn(&QueueCounts) -> bool) -> QueueCounts {
        let counts = || match self.subscription.latest() {
            Some(QueueReading::Known(counts)) if enough(&counts) => Some(counts),
            _ => None,
        };
        self.wait(what, counts).await
    }

    /// Waits until it is unknown for this reason.
    pub async fn unknown(self, reason: &str) -> Unknown {
        let unknown = || match self.subscription.latest() {
            Some(QueueReading::Unknown(why)) if why.reason == reason => Some(why),
            _ => None,
        };
        self.wait(reason, unknown).await
    }

    pub async fn wait<T>(self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "waited in vain for {what} of {}: {:?}, gaps {:?}",
                self.of,
                self.subscription.latest(),
                self.subscription.gaps()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
