//! Small verbs: who reads what, as whom, and waiting for a reading.

use std::sync::Arc;

use awp::brokers::rabbitmq::{self, Identity};
use awp::brokers::{Brokers, Gaps, Interest, Live, QueueFacts, Source, Subscription};
use awp::scaling::observation::{QueueCounts, QueueReading, Unknown};
use awp_testbed::RabbitMq;
use futures::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use tokio::sync::Notify;

use crate::readings::View;
pub use crate::readings::{PATIENCE, readers};

pub const BUSY: Interest = Interest { in_flight: true, by_worker: false, relaxed: false, begun: true };
pub const BY_WORKER: Interest = Interest { in_flight: true, by_worker: true, relaxed: false, begun: true };

/// The administrator, with the management API.
pub fn admin(server: &RabbitMq, vhost: &str) -> Identity {
    login(server, vhost, server.admin_user(), server.admin_password())
}

pub fn login(server: &RabbitMq, vhost: &str, user: &str, password: &str) -> Identity {
    let management = server.management_uri();
    Identity::new(&server.amqp_uri(vhost), Some(&management), user, password, None, None).unwrap()
}

/// The administrator over AMQP alone.
pub fn amqp_only(server: &RabbitMq, vhost: &str) -> Identity {
    Identity { management: Vec::new(), ..admin(server, vhost) }
}

/// One pool's view of one queue.
pub struct Watching {
    pub subscription: Box<dyn Subscription>,
    pub wake: Arc<Notify>,
    queue: String,
}

pub fn watch(readers: &Live, broker: &Identity, queue: &str) -> Watching {
    let wake = Arc::new(Notify::new());
    let (broker, queue_name) = (broker.clone(), queue.to_owned());
    let source = rabbitmq::Source { broker, queue: queue_name, dead_letter_queue: None, declare: None };
    Watching::new(readers.subscribe(Source::RabbitMq(source), wake.clone()), wake, queue)
}

impl Watching {
    pub fn new(subscription: Box<dyn Subscription>, wake: Arc<Notify>, queue: &str) -> Self {
        Self { subscription, wake, queue: queue.to_owned() }
    }

    pub fn with(self, interest: Interest) -> Self {
        self.subscription.set_interest(interest);
        self
    }

    /// Waits until `enough` says yes to the latest reading.
    pub async fn until(&self, what: &str, enough: impl Fn(&QueueReading) -> bool) -> QueueReading {
        self.wait(what, || self.subscription.latest().filter(&enough)).await
    }

    fn view(&self) -> View<'_> {
        View { subscription: &*self.subscription, of: &self.queue }
    }

    pub async fn known(&self, what: &str, enough: impl Fn(&QueueCounts) -> bool) -> QueueCounts {
        self.view().known(what, enough).await
    }

    pub async fn ready(&self, ready: u64) -> QueueCounts {
        self.known(&format!("{ready} ready"), |counts| counts.ready == ready).await
    }

    pub async fn unacked(&self, unacked: u64) -> QueueCounts {
        self.known(&format!("{unacked} unacked"), |counts| counts.unacked.is_some_and(|seen| seen.count == unacked))
            .await
    }

    /// Waits until the queue is unknown for this reason.
    pub async fn unknown(&self, reason: &str) -> Unknown {
        self.view().unknown(reason).await
    }

    pub async fn facts(&self) -> QueueFacts {
        self.wait("facts", || self.subscription.facts()).await
    }

    /// Waits until `part` of the gaps is there.
    pub async fn gap(&self, what: &str, part: impl Fn(Gaps) -> Option<Unknown>) -> Unknown {
        self.wait(what, || part(self.subscription.gaps())).await
    }

    pub async fn wait<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        self.view().wait(what, look).await
    }
}

/// A worker that took tasks and does not finish them.
pub struct Worker {
    pub connection: Connection,
    held: Vec<lapin::message::Delivery>,
}

impl Worker {
    /// Takes `tasks` and returns when it has them.
    pub async fn holding(server: &RabbitMq, vhost: &str, queue: &str, name: &str, tasks: u16) -> Self {
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connection = Connection::connect(&server.admin_uri(vhost), properties).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.basic_qos(tasks.max(1), BasicQosOptions::default()).await.unwrap();
        let mut consumer = channel
            .basic_consume(queue.into(), name.into(), BasicConsumeOptions::default(), FieldTable::default())
            .await
            .unwrap();
        let mut held = Vec::new();
        for _ in 0..tasks {
            held.push(consumer.next().await.unwrap().unwrap());
        }
        // Deliveries keep the channel open.
        std::mem::forget(consumer);
        Self { connection, held }
    }

    /// Its connection is closed: there is nothing left to finish.
    pub fn forget(&mut self) {
        self.held.clear();
    }

    pub async fn finish_all(&mut self) {
        for task in self.held.drain(..) {
            assert!(task.ack(lapin::options::BasicAckOptions::default()).await.unwrap());
        }
    }
}

/// `count` small tasks.
pub fn tasks(count: usize) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(|number| format!("task {number}").into_bytes())
}
