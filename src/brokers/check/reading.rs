//! The steps of brokers that have none of their own: what the operator's own reader makes of the queue.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::{Expected, Outcome, Step};
use crate::brokers::{Brokers, Interest, Source, Subscription};
use crate::scaling::observation::{ErrorClass, QueueReading, Unknown};

/// A first reading takes a second or two; doubtful ones are looked at again after five.
const PATIENCE: Duration = Duration::from_secs(20);
/// A look at what there is, besides being told.
const LOOK: Duration = Duration::from_millis(500);

/// `queue`, `queueType`, `inFlight` and `deadLetter`, as far as a first reading tells them. Nothing is declared or
/// committed.
pub async fn reading(brokers: &dyn Brokers, source: &Source, expected: &Expected) -> Vec<Step> {
    let wake = Arc::new(Notify::new());
    let subscription = brokers.subscribe(source.clone().reading_only(), wake.clone());
    subscription.set_interest(Interest { in_flight: true, by_worker: !expected.workers_report, relaxed: false });
    let mut steps = Vec::new();
    match first(&*subscription, &wake).await {
        Some(QueueReading::Known(counts)) => {
            let in_flight = counts.unacked.map_or_else(String::new, |counted| format!(", {} in flight", counted.count));
            steps.push(Step::passed("queue", format!("it can be read: {} tasks wait{in_flight}", counts.ready)));
        }
        Some(QueueReading::Unknown(why)) => {
            steps.push(Step::refused("queue", &why));
            return steps;
        }
        None => {
            let remedy = "look at the address, and at what is between here and the broker";
            steps.push(Step::failed("queue", "no answer within 20 s", remedy));
            return steps;
        }
    }
    let gaps = subscription.gaps();
    steps.extend(gaps.in_flight.as_ref().map(|why| gap("inFlight", why)));
    let by_worker = gaps.by_worker.as_ref().filter(|_| !expected.workers_report);
    steps.extend(by_worker.map(|why| gap("byWorker", why)));
    steps.extend(gaps.facts.as_ref().map(|why| gap("queueSettings", why)));
    if let Some(facts) = subscription.facts() {
        steps.extend(facts.queue_type.map(|kind| Step::passed("queueType", kind)));
        steps.push(match facts.dead_letter.as_ref().and_then(|target| target.queue()) {
            Some(queue) => Step::passed("deadLetter", format!("failed tasks go to {queue}")),
            None => Step::warning(
                "deadLetter",
                "the queue's own settings do not say where failed tasks go",
                "set deadLetter.queue, unless the pool has it already",
            ),
        });
    }
    steps
}

/// The first reading that will not change by waiting.
async fn first(subscription: &dyn Subscription, wake: &Notify) -> Option<QueueReading> {
    let end = Instant::now() + PATIENCE;
    loop {
        let latest = subscription.latest();
        match &latest {
            Some(QueueReading::Known(_)) => return latest,
            Some(QueueReading::Unknown(why)) if why.class == ErrorClass::Misconfigured => return latest,
            _ if Instant::now() >= end => return latest,
            _ => {}
        }
        // Told or not, the next look comes.
        let _ = timeout(LOOK, wake.notified()).await;
    }
}

/// A pool works with gaps, less well.
fn gap(name: &'static str, why: &Unknown) -> Step {
    Step { outcome: Outcome::Warning, ..Step::refused(name, why) }
}
