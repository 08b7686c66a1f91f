//! One identity at one address: its client, and the breaker that all its queues share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use tokio::sync::{OnceCell, Semaphore};

use super::attributes::Attributes;
use crate::aws::{self, Failure, Identity, Kind, Patience};
use crate::brokers::backoff::Backoff;
use crate::clock::Clock;

/// The readers have a backoff of their own, so the client tries once.
const PATIENCE: Patience = Patience { connect: Duration::from_secs(3), attempt: Duration::from_secs(6), tries: 1 };

/// Looking for credentials included.
const LONGEST: Duration = Duration::from_secs(15);

/// Requests on the way at once: a thousand queues that become due together must not open a thousand
/// connections.
const AT_ONCE: usize = 32;

/// Seconds after the first failure in a row, and at most.
const BACKOFF: (f64, f64) = (1.0, 30.0);

#[derive(Debug)]
pub struct Account {
    pub identity: Identity,
    clock: Clock,
    jitter: fn() -> f64,
    client: OnceCell<Client>,
    requests: Semaphore,
    /// While the breaker is open one queue at a time tries, for all of them.
    probe: tokio::sync::Mutex<()>,
    breaker: Mutex<Breaker>,
}

#[derive(Debug)]
struct Breaker {
    backoff: Backoff,
    /// Why everything here fails.
    failure: Option<Failure>,
    subscriptions: usize,
}

impl Account {
    pub fn new(identity: &Identity, clock: Clock, jitter: fn() -> f64) -> Arc<Self> {
        let backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
        Arc::new(Self {
            identity: identity.clone(),
            clock,
            jitter,
            client: OnceCell::new(),
            requests: Semaphore::new(AT_ONCE),
            probe: tokio::sync::Mutex::new(()),
            breaker: Mutex::new(Breaker { backoff, failure: None, subscriptions: 0 }),
        })
    }

    pub fn joined(&self) {
        self.breaker().subscriptions += 1;
    }

    pub fn left(&self) {
        self.breaker().subscriptions -= 1;
    }

    /// Subscriptions, and why everything here fails.
    pub fn status(&self) -> (usize, Option<Failure>) {
        let breaker = self.breaker();
        (breaker.subscriptions, breaker.failure.clone())
    }

    /// Asks for attributes of one queue, in its turn. A failure that concerns all queues is answered to
    /// those that wait, without asking for each of them.
    pub async fn attributes(&self, queue: &str, names: &[QueueAttributeName]) -> Result<Attributes, Failure> {
        let failed_before = self.breaker().failure.is_some();
        let _probe = if failed_before { Some(self.probe.lock().await) } else { None };
        let (wait, failure) = {
            let breaker = self.breaker();
            (breaker.backoff.wait(self.clock.now()), breaker.failure.clone())
        };
        if let Some(failure) = failure.filter(|_| wait > 0.0) {
            return Err(failure);
        }
        let Ok(_turn) = self.requests.acquire().await else {
            return Err(Failure::new(Kind::Unreachable, "shutting down"));
        };
        let answer = tokio::time::timeout(LONGEST, self.ask(queue, names)).await;
        let answer = answer.unwrap_or_else(|_| Err(Failure::new(Kind::Unreachable, "no answer in time")));
        self.note(answer.as_ref().err());
        answer
    }

    async fn ask(&self, queue: &str, names: &[QueueAttributeName]) -> Result<Attributes, Failure> {
        let client = self.client.get_or_init(|| aws::client(&self.identity, PATIENCE)).await;
        let request = client.get_queue_attributes().queue_url(queue).set_attribute_names(Some(names.to_vec()));
        let answer = request.send().await.map_err(|error| Failure::of(&error))?;
        Ok(answer.attributes.unwrap_or_default())
    }

    fn note(&self, failure: Option<&Failure>) {
        let now = self.clock.now();
        let mut breaker = self.breaker();
        if let Some(failure) = failure.filter(|failure| failure.is_common()) {
            breaker.backoff.failed(now, (self.jitter)());
            breaker.failure = Some(failure.clone());
        } else {
            // Whatever was said of one queue, the address answers and knows us.
            breaker.backoff.succeeded();
            breaker.failure = None;
        }
    }

    /// Seconds until asking makes sense again.
    pub fn wait(&self) -> f64 {
        self.breaker().backoff.wait(self.clock.now())
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
