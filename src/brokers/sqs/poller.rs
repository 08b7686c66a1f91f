//! The life of a poller: one task for one queue, from the first subscription to the last.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::account::Account;
use super::watch::Watch;
use super::{attributes, errors};
use crate::aws;
use crate::brokers::backoff::Backoff;
use crate::brokers::{Gaps, Interest, QueueFacts, Subscription};
use crate::clock::Clock;
use crate::scaling::observation::QueueReading;
use crate::scaling::time::Timestamp;

/// Seconds after a failure of this queue alone (missing, forbidden), and at most.
const BACKOFF: (f64, f64) = (2.0, 30.0);

/// Seconds between looks at dead-letter queues, whatever becomes of them.
const DEPTH_PAUSE: f64 = 60.0;

/// Reads one queue as long as it lives: dropping it ends its task.
#[derive(Debug)]
pub struct Poller {
    watch: Arc<Watch>,
    account: Arc<Account>,
    end: CancellationToken,
}

impl Poller {
    /// Starts the task; needs a tokio runtime.
    pub fn start(account: Arc<Account>, queue: &str, clock: Clock, jitter: fn() -> f64) -> Arc<Self> {
        let watch = Arc::new(Watch::new(clock, aws::is_fifo(queue)));
        let end = CancellationToken::new();
        let backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
        let mut task = Task {
            watch: watch.clone(),
            account: account.clone(),
            queue: queue.to_owned(),
            jitter,
            backoff,
            depths_at: None,
        };
        let ended = end.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = task.run() => {}
                () = ended.cancelled() => {}
            }
        });
        Arc::new(Self { watch, account, end })
    }

    pub fn subscribe(self: &Arc<Self>, dead_letter_queue: Option<String>, wake: Arc<Notify>) -> Box<dyn Subscription> {
        self.account.joined();
        let id = self.watch.subscribe(dead_letter_queue, wake);
        Box::new(Subscribed { poller: self.clone(), id })
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

struct Task {
    watch: Arc<Watch>,
    account: Arc<Account>,
    queue: String,
    jitter: fn() -> f64,
    backoff: Backoff,
    depths_at: Option<Timestamp>,
}

impl Task {
    async fn run(&mut self) {
        loop {
            let asked = self.watch.clock.now();
            self.look(asked).await;
            self.count_dead_letters().await;
            self.pause(asked).await;
        }
    }

    async fn look(&mut self, asked: Timestamp) {
        let answer = self.account.attributes(&self.queue, &attributes::ASKED).await;
        match answer {
            Ok(attributes) => match attributes::look(&attributes, asked) {
                Some(look) => {
                    self.backoff.succeeded();
                    self.watch.looked(look, attributes::facts(&self.queue, &attributes));
                }
                None => self.failed(errors::counts_missing(&self.queue)),
            },
            Err(failure) => {
                let identity = &self.account.identity;
                self.failed(errors::failed(&failure, identity, &self.queue, "GetQueueAttributes"));
            }
        }
    }

    fn failed(&mut self, why: crate::scaling::observation::Unknown) {
        self.backoff.failed(self.watch.clock.now(), (self.jitter)());
        self.watch.failed(why);
    }

    async fn count_dead_letters(&mut self) {
        let now = self.watch.clock.now();
        if self.backoff.failures() > 0 || self.depths_at.is_some_and(|at| now.since(at) < DEPTH_PAUSE) {
            return;
        }
        let due = self.watch.due_depths();
        if !due.is_empty() {
            self.depths_at = Some(now);
        }
        for queue in due {
            let answer = self.account.attributes(&queue, &attributes::DEPTH).await;
            let depth = match answer {
                Ok(attributes) => attributes::depth(&attributes).ok_or_else(|| errors::counts_missing(&queue)),
                Err(failure) => Err(errors::failed(&failure, &self.account.identity, &queue, "GetQueueAttributes")),
            };
            self.watch.counted_dead_letters(&queue, &depth);
        }
    }

    /// Until the next look is due: a period after the last one was `asked`, and not before a backoff ends.
    async fn pause(&self, asked: Timestamp) {
        let chance = (self.jitter)();
        loop {
            let now = self.watch.clock.now();
            let period = if self.backoff.failures() > 0 { 0.0 } else { self.watch.period(chance) };
            let due = asked.plus(period).since(now);
            let wait = due.max(self.backoff.wait(now)).max(self.account.wait());
            let Ok(wait) = Duration::try_from_secs_f64(wait) else { return };
            if wait.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => return,
                () = self.watch.news.notified() => {}
            }
        }
    }
}

/// One pool's subscription; it keeps the poller alive.
#[derive(Debug)]
struct Subscribed {
    poller: Arc<Poller>,
    id: u64,
}

impl Subscription for Subscribed {
    fn latest(&self) -> Option<QueueReading> {
        self.poller.watch.reading(self.id)
    }

    fn facts(&self) -> Option<QueueFacts> {
        self.poller.watch.facts()
    }

    fn gaps(&self) -> Gaps {
        self.poller.watch.gaps()
    }

    fn set_interest(&self, interest: Interest) {
        self.poller.watch.set_interest(self.id, interest);
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.poller.watch.unsubscribe(self.id);
        self.poller.account.left();
    }
}
