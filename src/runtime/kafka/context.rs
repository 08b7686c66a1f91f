//! What librdkafka calls back with. It calls from within `poll`, on the poller's own thread; the
//! poller looks here afterwards, when nothing of librdkafka's is on the stack.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};
use tracing::warn;

use super::record::Key;
use crate::librdkafka::Complaints;

#[derive(Debug)]
pub enum Event {
    Assigned(Vec<Key>),
    /// To be given up; the group waits for it, but for no longer than `max.poll.interval.ms`.
    Revoked(Vec<Key>),
    /// Another member may have them already.
    Lost(Vec<Key>),
}

#[derive(Debug, Default)]
pub struct Context {
    pub complaints: Complaints,
    events: Mutex<VecDeque<Event>>,
    /// Nobody looks at the events any more: rebalances are answered at once.
    leaving: AtomicBool,
}

impl Context {
    pub fn next(&self) -> Option<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    fn push(&self, event: Event) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.complaints.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.complaints.error(error, reason);
    }
}

impl ConsumerContext for Context {
    /// Not answered here: until the poller calls assign or unassign the group waits, which is how a
    /// partition is kept while tasks of it run.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let assigned = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.leaving.load(Ordering::Relaxed) {
            answer(consumer, assigned, list);
            return;
        }
        let keys = keys(list);
        self.push(match assigned {
            true => Event::Assigned(keys),
            false if consumer.assignment_lost() => Event::Lost(keys),
            false => Event::Revoked(keys),
        });
    }
}

/// Takes the partitions, or gives them up.
pub fn answer(consumer: &BaseConsumer<Context>, assigned: bool, list: &TopicPartitionList) {
    let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
    let answered = match (assigned, cooperative) {
        (true, true) => consumer.incremental_assign(list),
        (true, false) => consumer.assign(list),
        (false, true) => consumer.incremental_unassign(list),
        (false, false) => consumer.unassign(),
    };
    if let Err(error) = answered {
        warn!(%error, assigned, "Kafka: the rebalance is not answered");
    }
}

fn keys(list: &TopicPartitionList) -> Vec<Key> {
    list.elements().iter().map(|element| (element.topic().into(), element.partition())).collect()
}

pub fn list(keys: &[Key]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(keys.len());
    for (topic, partition) in keys {
        list.add_partition(topic, *partition);
    }
    list
}
