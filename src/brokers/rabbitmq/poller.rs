//! The life of a poller: three tasks for one identity, from the first subscription to the last.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::identity::Identity;
use super::load::Load;
use super::watch::Watch;
use super::{Source, declare, lanes, management};
use crate::brokers::{BrokerStatus, Declaration, Gaps, Interest, QueueFacts, Subscription, Trouble};
use crate::clock::Clock;
use crate::scaling::observation::QueueReading;

/// Reads for one identity as long as it lives: dropping it ends its tasks and connections.
#[derive(Debug)]
pub struct Poller {
    uri: String,
    watch: Arc<Watch>,
    end: CancellationToken,
}

impl Poller {
    /// Starts the tasks; needs a tokio runtime.
    pub fn start(identity: &Identity, load: Arc<Load>, clock: Clock, jitter: fn() -> f64) -> Arc<Self> {
        let watch = Arc::new(Watch::new(clock, load, !identity.management.is_empty()));
        let end = CancellationToken::new();
        {
            let (watch, identity, end) = (watch.clone(), identity.clone(), end.clone());
            tokio::spawn(async move { lanes::run(&watch, &identity, jitter, &end).await });
        }
        {
            let (watch, identity, end) = (watch.clone(), identity.clone(), end.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = declare::run(&watch, &identity, jitter) => {}
                    () = end.cancelled() => {}
                }
            });
        }
        if !identity.management.is_empty() {
            let (watch, identity, end) = (watch.clone(), identity.clone(), end.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = management::run(&watch, &identity, jitter) => {}
                    () = end.cancelled() => {}
                }
            });
        }
        Arc::new(Self { uri: identity.uri.clone(), watch, end })
    }

    pub fn status(&self) -> BrokerStatus {
        let (subscriptions, amqp, management) = self.watch.status();
        let sides = [("amqp", amqp), ("management", management)];
        let trouble = sides.into_iter().filter_map(|(side, why)| why.map(|why| Trouble { side, why })).collect();
        BrokerStatus { kind: "rabbitmq", address: self.uri.clone(), subscriptions, trouble }
    }

    pub fn subscribe(self: &Arc<Self>, source: Source, wake: Arc<Notify>) -> Box<dyn Subscription> {
        let queue = source.queue.clone();
        let id = self.watch.subscribe(source, wake);
        Box::new(Subscribed { poller: self.clone(), queue, id })
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

/// One pool's subscription; it keeps the poller alive.
#[derive(Debug)]
struct Subscribed {
    poller: Arc<Poller>,
    queue: String,
    id: u64,
}

impl Subscription for Subscribed {
    fn latest(&self) -> Option<QueueReading> {
        self.poller.watch.reading(&self.queue, self.id)
    }

    fn facts(&self) -> Option<QueueFacts> {
        self.poller.watch.facts(&self.queue, self.id)
    }

    fn gaps(&self) -> Gaps {
        self.poller.watch.gaps(&self.queue)
    }

    fn declaration(&self) -> Option<Declaration> {
        self.poller.watch.declaration(&self.queue, self.id)
    }

    fn set_interest(&self, interest: Interest) {
        self.poller.watch.set_interest(&self.queue, self.id, interest);
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.poller.watch.unsubscribe(&self.queue, self.id);
    }
}
