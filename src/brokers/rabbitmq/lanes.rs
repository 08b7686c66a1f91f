//! The AMQP side of a poller: one connection, two lanes of passive declares.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::errors;
use super::identity::Identity;
use super::link::{Answer, Link};
use super::watch::Watch;
use super::watched::Lane;
use crate::brokers::backoff::Backoff;
use crate::scaling::observation::{Counted, Unknown};
use crate::scaling::time::Timestamp;

/// Seconds. Queues that are due this soon go into the same batch.
const SOON: f64 = 0.1;

/// Seconds after which a lane without work looks for some: a queue may change lanes.
const IDLE: f64 = 1.0;

/// How much slower a queue is looked at when no pool on it can grow.
const RELAXED: f64 = 5.0;

/// Seconds between two looks at a doubtful queue: soon enough to see one that is created.
const DOUBTFUL_PERIOD: f64 = 3.0;

/// After a refusal, until a batch passes: with many missing queues every batch is cut short.
const SHORT_PIPELINE: usize = 32;

/// An answer that takes longer holds up everybody behind it: the queue goes to the other lane. A
/// queue without a leader takes 250 ms.
const SLOW: Duration = Duration::from_millis(150);

/// Seconds between attempts to connect, first and most: one attempt costs little, and after a
/// restart of the broker everybody waits for it.
const RETRY: (f64, f64) = (0.5, 15.0);

/// Connects, looks, and connects again, until cancelled.
pub async fn run(watch: &Watch, identity: &Identity, jitter: fn() -> f64, end: &CancellationToken) {
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
                let lanes = Lanes { watch, link: &link, jitter };
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
        watch.set_broken(Some(&errors::retried(why, RETRY.1)));
        tokio::select! {
            () = sleep(Duration::from_secs_f64(seconds)) => {}
            () = end.cancelled() => return,
        }
    }
}

struct Lanes<'a> {
    watch: &'a Watch,
    link: &'a Link,
    jitter: fn() -> f64,
}

impl Lanes<'_> {
    /// Looks at the lane's queues when they are due; ends with what broke the connection.
    async fn run(&self, lane: Lane) -> Unknown {
        let mut channel = None;
        loop {
            // Queues due almost now go into the same batch.
            let due = self.watch.due(lane, SOON);
            if lane == Lane::Doubtful
                && let Err(why) = self.look_at_dead_letters(&mut channel).await
            {
                return why;
            }
            if due.is_empty() {
                self.wait(lane).await;
            } else if let Err(why) = self.look(lane, &due, &mut channel).await {
                return why;
            }
        }
    }

    async fn wait(&self, lane: Lane) {
        let seconds = self.watch.next_due(lane).unwrap_or(IDLE).min(IDLE);
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
        let most = if lane == Lane::Main { self.watch.load.batch() } else { 1 };
        let mut pipeline = most;
        let mut rest = queues;
        let started = self.watch.clock.now();
        while !rest.is_empty() {
            let open = match channel.take() {
                Some(open) => open,
                None => self.link.channel().await?,
            };
            let batch = &rest[..rest.len().min(pipeline)];
            self.watch.load.turn_to_look(batch.len(), self.watch.clock).await;
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
                self.take(queue, answer, waited, asked);
            }
        }
        let seconds = self.watch.clock.now().since(started);
        tracing::debug!(queues = queues.len(), ?lane, seconds, "looked");
        Ok(())
    }

    /// Where no list is read that would tell.
    async fn look_at_dead_letters(&self, channel: &mut Option<lapin::Channel>) -> Result<(), Unknown> {
        for queue in self.watch.due_depths() {
            let open = match channel.take() {
                Some(open) => open,
                None => self.link.channel().await?,
            };
            self.watch.load.turn_to_look(1, self.watch.clock).await;
            let asked = self.watch.clock.now();
            let found = self.link.look(&open, std::slice::from_ref(&queue)).await?;
            if !found.channel_closed {
                *channel = Some(open);
            }
            let depth = match found.answers.first() {
                // Its consumers take letters out one by one: what they hold makes no difference to people.
                Some((Answer::Counts { ready, .. }, _)) => Some(Counted { count: *ready, at: asked }),
                _ => None,
            };
            self.watch.set_depth(queue, depth);
        }
        Ok(())
    }

    fn take(&self, queue: &str, answer: Answer, waited: Duration, asked: Timestamp) {
        let period = self.watch.load.period();
        // Each by itself: queues that were looked at together drift apart, and the broker's load is even.
        let spread = 0.9 + (self.jitter)() * 0.2;
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
                Lane::Doubtful => period.max(DOUBTFUL_PERIOD),
                Lane::Main if watched.is_relaxed() => period * RELAXED,
                Lane::Main => period,
            };
            watched.due = asked.plus(period * spread);
        });
    }
}
