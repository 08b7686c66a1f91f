//! Waiting for what a reader of a broker says.

use std::time::{Duration, SystemTime};

use awp::brokers::{Live, Subscription};
use awp::clock::Clock;
use awp::scaling::observation::{QueueCounts, QueueReading, Unknown};
use futures::FutureExt;
use futures::future::join_all;

/// Longer than anything here can take on any machine that is not stuck.
pub const PATIENCE: Duration = Duration::from_secs(90);

pub fn readers() -> Live {
    awp::brokers::live(Clock::starting_at(SystemTime::now()), rand::random::<f64>)
}

/// Seconds until each of these has ended, all waited for at once.
pub async fn seconds_until(waits: impl IntoIterator<Item = impl Future>) -> Vec<f64> {
    let began = tokio::time::Instant::now();
    join_all(waits.into_iter().map(|wait| wait.map(|_| began.elapsed().as_secs_f64()))).await
}

/// What took so many seconds alone takes as long beside others' trouble. Whoever waits for a dead broker waits for the
/// several seconds of its limit; a machine that got busier in between makes nothing three times as slow.
pub fn not_delayed(alone: &[f64], beside: &[f64]) {
    let (alone, beside) = (median(alone), median(beside));
    println!("median {alone:.2} s alone, {beside:.2} s beside dead brokers");
    assert!(beside < 3.0 * alone + 0.5, "{alone} s alone, {beside} s beside dead brokers");
}

fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
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
