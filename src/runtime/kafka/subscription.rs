//! A member of the group, as the runtime sees it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::MetadataTopic;
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::committer::Committer;
use super::context::Context;
use super::dead_letter::DeadLetters;
use super::delivery::{Command, Delivered, Line};
use super::partitions::{Out, Partitions};
use super::poller::{Client, Ended, Poller};
use super::{GroupProtocol, Settings, protocol};
use crate::librdkafka::{self, Identity};
use crate::runtime::broker::{Delivery, SubscribeError, Subscription};

/// For a first answer of the brokers.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For leaving the group; brokers that do not answer are left alone.
const GOODBYE: Duration = Duration::from_secs(10);

pub struct Taking {
    line: Line,
    deliveries: UnboundedReceiver<Out>,
    dead_letters: Arc<DeadLetters>,
    lost: CancellationToken,
}

/// What the thread needs to begin.
struct Member {
    settings: Arc<Settings>,
    slots: u16,
    commands: mpsc::Receiver<Command>,
    deliveries: tokio::sync::mpsc::UnboundedSender<Out>,
    lost: CancellationToken,
    classic: bool,
    /// To be set where the brokers have the new group protocol turned off.
    refused: Arc<AtomicBool>,
}

/// Joins the group. The brokers have answered then, and the topics are there; partitions come later.
pub async fn open(
    settings: Arc<Settings>,
    dead_letters: Arc<DeadLetters>,
    refused: Arc<AtomicBool>,
    slots: u16,
) -> Result<Taking, SubscribeError> {
    let classic = match settings.group_protocol {
        GroupProtocol::Classic => true,
        GroupProtocol::Consumer => false,
        GroupProtocol::Auto if refused.load(Ordering::Relaxed) => true,
        GroupProtocol::Auto => !protocol::known(&settings.connection).await.map_err(SubscribeError)?,
    };
    let (commands, obeyed) = mpsc::channel();
    let (sender, deliveries) = unbounded_channel();
    let (joined, joining) = oneshot::channel();
    let lost = CancellationToken::new();
    let member = Member { settings, slots, commands: obeyed, deliveries: sender, lost: lost.clone(), classic, refused };
    let thread = std::thread::Builder::new().name("kafka".to_owned()).spawn(move || member.live(joined));
    let thread = thread.map_err(|error| SubscribeError(format!("no thread for the Kafka client: {error}")))?;
    let line = Line { commands, thread: thread.thread().clone() };
    match joining.await {
        Ok(Ok(())) => Ok(Taking { line, deliveries, dead_letters, lost }),
        Ok(Err(error)) => Err(SubscribeError(error)),
        Err(_) => Err(SubscribeError("the Kafka client's thread has ended".to_owned())),
    }
}

impl Member {
    /// The whole life of the thread.
    fn live(self, joined: oneshot::Sender<Result<(), String>>) {
        let (consumer, identity) = match self.join() {
            Ok(joined) => joined,
            Err(error) => return drop(joined.send(Err(error))),
        };
        if joined.send(Ok(())).is_err() {
            // Nobody waits any more: the worker is stopping.
            return;
        }
        let consumer = Arc::new(consumer);
        let committer = match Committer::start(consumer.clone(), std::thread::current()) {
            Ok(committer) => committer,
            Err(error) => return warn!(%error, "no thread for commits"),
        };
        let partitions = Partitions::new(self.lost.clone());
        let settings = self.settings.clone();
        let renewed = move || settings.connection.identity().is_ok_and(|now| now != identity);
        let client = Client { consumer, committer, renewed: Box::new(renewed), reset: self.settings.offset_reset };
        let poller = Poller::new(client, partitions, self.commands, self.deliveries, self.slots);
        match poller.run() {
            Ended::Left(left) => drop(left.map(|left| left.send(()))),
            Ended::Fatal(code) if protocol::refused(code) && self.settings.group_protocol == GroupProtocol::Auto => {
                warn!("the brokers have the group protocol of Kafka 4 turned off: using the classic one");
                self.refused.store(true, Ordering::Relaxed);
            }
            Ended::Renewed => info!("the login or the certificates have changed: joining again with the new ones"),
            Ended::Fatal(code) => warn!(error = %code, "Kafka ends the membership{}", remedy(code)),
        }
    }

    fn join(&self) -> Result<(BaseConsumer<Context>, Identity), String> {
        let identity = self.settings.connection.identity().map_err(|error| error.to_string())?;
        let config = self.settings.consumer(identity.clone(), self.classic).map_err(|error| error.to_string())?;
        let made = config.create_with_context(Context::default());
        let mut consumer: BaseConsumer<Context> = made.map_err(|error| librdkafka::refused(error).to_string())?;
        let me = std::thread::current();
        consumer.set_nonempty_callback(move || me.unpark());
        for topic in &self.settings.topics {
            self.look_up(&consumer, topic, "--topic")?;
        }
        self.look_up(&consumer, &self.settings.dead_letter, "--dead-letter")?;
        let topics: Vec<&str> = self.settings.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(|error| error.to_string())?;
        Ok((consumer, identity))
    }

    fn look_up(&self, consumer: &BaseConsumer<Context>, topic: &str, option: &str) -> Result<(), String> {
        let metadata = consumer.fetch_metadata(Some(topic), CONNECT_TIMEOUT).map_err(|error| {
            // Serves what the client has to say.
            for _ in 0..20 {
                let _ = consumer.poll(Duration::ZERO);
            }
            self.unreachable(&consumer.context().complaints.explain(&error))
        })?;
        let trouble = metadata.topics().iter().find_map(MetadataTopic::error);
        match trouble {
            None => Ok(()),
            Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => Err(format!(
                "there is no topic {topic:?}: create it (`awp publish --declare` does), or correct {option}"
            )),
            Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) => Err(format!(
                "the login may not see the topic {topic:?}: grant it Read on the topics of tasks and on the group {:?}, and Write on the topic of dead letters",
                self.settings.group
            )),
            Some(code) => Err(format!("the topic {topic:?} is not to be had: {}", RDKafkaErrorCode::from(code))),
        }
    }

    fn unreachable(&self, cause: &str) -> String {
        let (servers, seconds) = (&self.settings.connection.bootstrap_servers, CONNECT_TIMEOUT.as_secs());
        format!("no answer from Kafka at {servers} within {seconds} s: {cause}")
    }
}

fn remedy(code: RDKafkaErrorCode) -> &'static str {
    match code {
        RDKafkaErrorCode::GroupAuthorizationFailed => ": grant the login Read on the group",
        RDKafkaErrorCode::GroupMaxSizeReached => {
            ": the group has as many members as the brokers allow (group.consumer.max.size)"
        }
        _ => "",
    }
}

impl Subscription for Taking {
    fn next(&mut self) -> BoxFuture<'_, Option<Box<dyn Delivery>>> {
        async {
            let out = self.deliveries.recv().await?;
            Some(Box::new(Delivered::new(out, self.line.clone(), self.dead_letters.clone())) as Box<dyn Delivery>)
        }
        .boxed()
    }

    fn resize(&mut self, slots: u16) -> BoxFuture<'_, ()> {
        self.line.say(Command::Resize(slots));
        std::future::ready(()).boxed()
    }

    fn stop(&mut self) -> BoxFuture<'_, ()> {
        async {
            let (stopped, stopping) = oneshot::channel();
            self.line.say(Command::Stop(stopped));
            let _ = stopping.await;
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move {
            let (left, leaving) = oneshot::channel();
            self.line.say(Command::Leave(left));
            let _ = tokio::time::timeout(GOODBYE, leaving).await;
            self.dead_letters.close().await;
        }
        .boxed()
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        // Whoever waits with a task of this membership learns that it is over.
        self.lost.cancel();
        self.line.say(Command::Leave(oneshot::channel().0));
    }
}
