//! Startup, readiness and liveness probes of one run of a container.

use std::time::Duration;

use k8s_openapi::api::core::v1::Probe;
use tokio::time::{Instant, sleep, sleep_until};

use super::checks::Target;

/// What a probe found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    Started,
    Ready(bool),
    /// The container is to be restarted, with this grace period if the probe sets one.
    Unhealthy(Option<Duration>),
}

/// Counts results until enough of a kind came in a row.
#[derive(Debug)]
struct Tally {
    successes_needed: i32,
    failures_needed: i32,
    last: bool,
    row: i32,
}

impl Tally {
    fn new(probe: &Probe) -> Self {
        Self {
            successes_needed: probe.success_threshold.unwrap_or(1).max(1),
            failures_needed: probe.failure_threshold.unwrap_or(3).max(1),
            last: false,
            row: 0,
        }
    }

    /// The verdict, once the threshold is reached and as long as the row lasts.
    fn count(&mut self, success: bool) -> Option<bool> {
        self.row = if success == self.last { self.row.saturating_add(1) } else { 1 };
        self.last = success;
        let needed = if success { self.successes_needed } else { self.failures_needed };
        (self.row >= needed).then_some(success)
    }
}

fn seconds(seconds: Option<i32>, default: u64) -> Duration {
    seconds.and_then(|seconds| seconds.try_into().ok()).map_or(Duration::from_secs(default), Duration::from_secs)
}

fn period(probe: &Probe) -> Duration {
    seconds(probe.period_seconds, 10).max(Duration::from_secs(1))
}

fn grace(probe: &Probe) -> Option<Duration> {
    probe.termination_grace_period_seconds.and_then(|grace| grace.try_into().ok()).map(Duration::from_secs)
}

/// Probes a container for as long as it is polled, and reports every finding that changes something.
pub async fn watch(target: &Target, begun: Instant, report: impl Fn(Finding)) {
    if let Some(probe) = &target.container.startup_probe {
        if !verdict(target, probe, begun).await {
            report(Finding::Unhealthy(grace(probe)));
            return;
        }
        report(Finding::Started);
    }
    let readiness = async {
        if let Some(probe) = &target.container.readiness_probe {
            watch_readiness(target, probe, begun, &report).await;
        }
    };
    let liveness = async {
        if let Some(probe) = &target.container.liveness_probe {
            let mut tally = Tally::new(probe);
            sleep_until(begun + seconds(probe.initial_delay_seconds, 0)).await;
            while tally.count(target.probe(probe).await) != Some(false) {
                sleep(period(probe)).await;
            }
            report(Finding::Unhealthy(grace(probe)));
        }
    };
    tokio::join!(readiness, liveness);
}

/// Probes until either threshold is reached.
async fn verdict(target: &Target, probe: &Probe, begun: Instant) -> bool {
    let mut tally = Tally::new(probe);
    sleep_until(begun + seconds(probe.initial_delay_seconds, 0)).await;
    loop {
        if let Some(verdict) = tally.count(target.probe(probe).await) {
            return verdict;
        }
        sleep(period(probe)).await;
    }
}

/// The kubelet looks for the first time at a random moment of the first period. This node looks every second while
/// the container is not ready, so that a test does not wait for luck.
async fn watch_readiness(target: &Target, probe: &Probe, begun: Instant, report: &impl Fn(Finding)) {
    let mut tally = Tally::new(probe);
    let mut ready = false;
    sleep_until(begun + seconds(probe.initial_delay_seconds, 0)).await;
    loop {
        if let Some(verdict) = tally.count(target.probe(probe).await)
            && verdict != ready
        {
            ready = verdict;
            report(Finding::Ready(ready));
        }
        let hurry = if ready { Duration::MAX } else { Duration::from_secs(1) };
        sleep(period(probe).min(hurry)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(probe: &Probe, results: &str) -> String {
        let mut tally = Tally::new(probe);
        let verdict = |result| match tally.count(result == '+') {
            Some(true) => '+',
            Some(false) => '-',
            None => '.',
        };
        results.chars().map(verdict).collect()
    }

    #[test]
    fn thresholds_count_results_in_a_row() {
        let defaults = Probe::default();
        assert_eq!(verdicts(&defaults, "--+---+"), "..+..-+");
        assert_eq!(verdicts(&defaults, "----"), "..--");
        let strict = Probe { success_threshold: Some(2), failure_threshold: Some(1), ..Probe::default() };
        assert_eq!(verdicts(&strict, "+-+++-"), ".-.++-");
    }
}
