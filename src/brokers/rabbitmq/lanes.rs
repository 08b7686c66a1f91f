//! The AMQP side of a poller: one connection, two lanes of passive declares.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::identity::Identity;
use super::link::{Answer, Link};
use super::poller::Load;
use super::watch::Watch;
use super::watched::Lane;
use crate::brokers::backoff::Backoff;
use crate::scaling::observation::Unknown;
use crate::scaling::time::Timestamp;

/// Seconds between two looks at a queue on a broker with few pools.
const PERIOD: f64 = 1.0;

/// Declares per second that all pools on one broker may cost: 0.04 ms of its CPU each, pipelined.
const PER_SECOND: f64 = 1000.0;

/// How much slower a queue is looked at when no pool on it can grow.
const RELAXED: f64 = 5.0;

/// Seconds between two looks at a doubtful queue: soon enough to see one that is created.
const DOUBTFUL_PERIOD: f64 = 3.0;

/// Declares sent before the first answer is awaited: bounds what one refusal makes us send again.
const PIPELINE: usize = 500;

/// After a refusal, until a batch passes: with many missing queues every batch is cut short.
const SHORT_PIPELINE: usize = 32;

/// An answer that takes longer holds up everybody behind it: the queue goes to the other lane. A
/// queue without a leader takes 250 ms.
const SLOW: Duration = Duration::from_millis(150);

/// Seconds between attempts to connect, first and most: one attempt costs little, and after a
/// restart of the broker everybody waits for it.
const RETRY: (f64, f64) = (0.5, 15.0);

/// Connects, looks, and connects again, until cancelled.
pub async fn run(watch: &Watch, identity: &Identity, load: &Load, jitter: fn() -> f64, end: &CancellationToken) {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    loop {
        let started = watch.clock.now();
        let connected = tokio::select! {
            connected = Link::open(identity) => connected,
            () = end.cancelled() => return,
        };
        let why = match connected {
            Err(why) => why,
            Ok(link) => {
                watch.set_broken(None);
                watch.connected.notify_one();
                let lanes = Lanes { watch, link: &link, load, jitter };
                let why = tokio::select! {
                    why = lanes.run(Lane::Main) => Some(why),
                    why = lanes.run(Lane::Doubtful) => Some(why),
                    () = end.cancelled() => None,
                };
                let Some(why) = why else { return link.close().await };
                // A broker that accepts and soon fails is as dead as one that refuses.
                if watch.clock.now().since(started) > RETRY.1 {
                    backoff.succeeded();
                }
                why
            }
        };
        backoff.failed(watch.clock.now(), jitter());
        let seconds = backoff.wait(watch.clock.now());
        tracing::warn!(broker = identity.uri, reason = why.reason, retry_seconds = seconds, "{}", why.message);
        watch.set_broken(Some(&why));
        tokio::select! {
            () = sleep(Duration::from_secs_f64(seconds)) => {}
            () = end.cancelled() => return,
        }
    }
}

struct Lanes<'a> {
    watch: &'a Watch,
    link: &'a Link,
    load: &'a Load,
    jitter: fn() -> f64,
}

impl Lanes<'_> {
    /// Looks at the lane's queues when they are due; ends with what broke the connection.
    async fn run(&self, lane: Lane) -> Unknown {
        let mut channel = None;
        loop {
            // Queues due almost now go into the same batch.
            let due = self.watch.due(lane, PERIOD / 10.0);
            if due.is_empty() {
                self.wait(lane).await;
            } else if let Err(why) = self.look(lane, &due, &mut channel).await {
                return why;
            }
        }
    }

    async fn wait(&self, lane: Lane) {
        // At most one period: a queue may change lanes.
        let seconds = self.watch.next_due(lane).unwrap_or(PERIOD).min(PERIOD);
        let period = Duration::from_secs_f64(seconds);
        match lane {
            Lane::Main => {
                let _ = timeout(period, self.watch.amqp_news.notified()).await;
            }
            Lane::Doubtful => sleep(period).await,
        }
    }

    /// Looks at all of `queues`; what a refusal swallowed is sent again.
    async fn look(&self, lane: Lane, queues: &[String], channel: &mut Option<lapin::Channel>) -> Result<(), Unknown> {
        let most = if lane == Lane::Main { PIPELINE } else { 1 };
        let spread = 0.9 + (self.jitter)() * 0.2;
        let mut pipeline = most;
        let mut rest = queues;
        let started = self.watch.clock.now();
        while !rest.is_empty() {
            let open = match channel.take() {
                Some(open) => open,
                None => self.link.channel().await?,
            };
            let batch = &rest[..rest.len().min(pipeline)];
            let asked = self.watch.clock.now();
            let found = self.link.look(&open, batch).await?;
            rest = &rest[found.answers.len()..];
            if found.channel_closed {
                pipeline = most.min(SHORT_PIPELINE);
            } else {
                pipeline = most.min(pipeline * 2);
                *channel = Some(open);
            }
            for (queue, (answer, waited)) in batch.iter().zip(found.answers) {
                self.take(queue, answer, waited, asked, spread);
            }
        }
        let seconds = self.watch.clock.now().since(started);
        tracing::debug!(queues = queues.len(), ?lane, seconds, "looked");
        Ok(())
    }

    fn take(&self, queue: &str, answer: Answer, waited: Duration, asked: Timestamp, spread: f64) {
        let busy = (self.load.queues() / PER_SECOND).max(PERIOD);
        self.watch.update_queue(queue, |watched, workers| {
            watched.lane = match answer {
                Answer::Counts { ready, consumers } => {
                    watched.belief.declared(ready, consumers, asked);
                    if waited > SLOW && ready == 0 && consumers == 0 { Lane::Doubtful } else { Lane::Main }
                }
                Answer::Refused(why) => {
                    watched.belief.declare_failed(why, workers, asked);
                    Lane::Doubtful
                }
            };
            let period = match watched.lane {
                Lane::Doubtful => busy.max(DOUBTFUL_PERIOD),
                Lane::Main if watched.is_relaxed() => busy * RELAXED,
                Lane::Main => busy,
            };
            watched.due = asked.plus(period * spread);
        });
    }
}
