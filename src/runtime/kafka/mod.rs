//! The runtime's Kafka: a dynamic member of a consumer group.
//!
//! ```text
//! poller (a thread) ──Out──▶ subscription ──▶ delivery     partitions ▷ partition ▷ progress: pure
//!    ▲   librdkafka                              │
//!    └────────────── Done, Gone ─────────────────┘
//! ```
//!
//! Kafka knows one number per partition: everything below is done. Tasks end in any order, so
//! * the lowest offset that is still open is committed, after each end of a task, and
//! * what is done above it stands in the commit's [`metadata`]: the next owner does not do it again.
//!   Where that is full no more of the partition is begun.
//!
//! A partition that is to go to another member is kept until its running tasks have ended and are
//! committed. `max.poll.interval.ms` is the time that the group waits for that, in both protocols; so
//! it is longer than a task may take.

mod committer;
mod context;
mod dead_letter;
mod delivery;
mod metadata;
mod partition;
mod partitions;
mod poller;
mod progress;
mod protocol;
mod record;
mod start;
mod subscription;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rdkafka::ClientConfig;

use super::broker::{Broker, SubscribeError, Subscription};
use crate::librdkafka::{self, Connection, Identity};
use dead_letter::DeadLetters;

pub use protocol::GroupProtocol;

/// What a task may take beyond its timeout: to be ended, to be dead-lettered, to be committed.
const AFTER_TASK: Duration = Duration::from_secs(5 * 60);
/// librdkafka allows no more.
const LONGEST_POLL_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone, Debug)]
pub struct Settings {
    pub connection: Connection,
    pub topics: Vec<String>,
    pub group: String,
    /// Where a partition begins that the group has committed nothing of.
    pub offset_reset: OffsetReset,
    pub isolation: Isolation,
    pub group_protocol: GroupProtocol,
    /// The topic for dead letters.
    pub dead_letter: String,
    /// A task that runs longer is ended; `None` = no limit.
    pub task_timeout: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetReset {
    Earliest,
    Latest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    ReadUncommitted,
    /// Records of transactions that are open or were aborted are not seen.
    ReadCommitted,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error(transparent)]
    Connection(#[from] librdkafka::Error),
    #[error(
        "no place for dead letters: a task that fails would be lost. Set AWP_DEAD_LETTER (--dead-letter) to a topic; in a pool the operator sets it from spec.deadLetter"
    )]
    NoDeadLetter,
    #[error(
        "dead letters would go back to the work topic {0:?} and run for ever: name another topic by AWP_DEAD_LETTER (--dead-letter)"
    )]
    WorkTopic(String),
}

impl Settings {
    /// What no retry can mend.
    pub fn check(&self) -> Result<(), SettingsError> {
        self.connection.check()?;
        for topic in &self.topics {
            librdkafka::topic(topic)?;
        }
        librdkafka::group(&self.group)?;
        if self.dead_letter.is_empty() {
            return Err(SettingsError::NoDeadLetter);
        }
        librdkafka::topic(&self.dead_letter)?;
        if self.topics.contains(&self.dead_letter) {
            return Err(SettingsError::WorkTopic(self.dead_letter.clone()));
        }
        Ok(())
    }

    fn consumer(&self, identity: Identity, classic: bool) -> Result<ClientConfig, librdkafka::Error> {
        let mut config = self.connection.config_as(identity)?;
        config.set("group.id", self.group.as_str());
        // Offsets are committed after the work, by the poller alone.
        config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        // The policy for partitions without a commit is ours ([`start`]). This is for positions that
        // retention has passed by: what is left of the log is not done, whatever the policy.
        config.set("auto.offset.reset", "earliest");
        config.set(
            "isolation.level",
            match self.isolation {
                Isolation::ReadUncommitted => "read_uncommitted",
                Isolation::ReadCommitted => "read_committed",
            },
        );
        config.set("max.poll.interval.ms", self.poll_interval().as_millis().to_string());
        if classic {
            config.set("group.protocol", "classic").set("partition.assignment.strategy", "cooperative-sticky");
        } else {
            config.set("group.protocol", "consumer");
        }
        // In the classic protocol members look for new partitions themselves.
        config.set("topic.metadata.refresh.interval.ms", "60000");
        // Tasks are few and slow: what is fetched ahead is only memory.
        config.set("queued.min.messages", "100").set("queued.max.messages.kbytes", "4096");
        Ok(config)
    }

    /// Both protocols give a member so long to give partitions up, and librdkafka takes it out of
    /// the group when it polls less often (it polls all the time).
    fn poll_interval(&self) -> Duration {
        let wanted = self.task_timeout.map(|timeout| timeout.saturating_add(AFTER_TASK));
        wanted.unwrap_or(LONGEST_POLL_INTERVAL).min(LONGEST_POLL_INTERVAL)
    }
}

#[derive(Debug)]
pub struct Kafka {
    settings: Arc<Settings>,
    dead_letters: Arc<DeadLetters>,
    /// The brokers have the new group protocol turned off.
    refused: Arc<AtomicBool>,
}

impl Kafka {
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        let settings = Arc::new(settings);
        let dead_letters = Arc::new(DeadLetters::new(settings.clone()));
        Ok(Self { dead_letters, settings, refused: Arc::default() })
    }
}

impl Broker for Kafka {
    fn subscribe(&self, slots: u16) -> BoxFuture<'_, Result<Box<dyn Subscription>, SubscribeError>> {
        async move {
            let (settings, dead_letters) = (self.settings.clone(), self.dead_letters.clone());
            let taking = subscription::open(settings, dead_letters, self.refused.clone(), slots).await?;
            Ok(Box::new(taking) as Box<dyn Subscription>)
        }
        .boxed()
    }
}
