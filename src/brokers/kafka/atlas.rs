//! What is known of a cluster besides offsets: topics and their leaders, coordinators, log starts.
//! Looked up rarely, and again when an answer shows that it is out of date.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::belief::Place;
use crate::kafka::message::{FindCoordinators, Topic};
use crate::kafka::{Cluster, Code, Error};
use crate::scaling::time::Timestamp;

/// Seconds for which leaders and partitions are taken as they were: a partition that is added is seen
/// after so long at the latest.
const MAP_LIFE: f64 = 20.0;

/// Seconds for which log starts are: retention works by the minute, and a start that is too low errs
/// towards more lag only where commits are older than retention.
const STARTS_LIFE: f64 = 20.0;

#[derive(Debug, Default)]
pub struct Atlas {
    /// The cluster's id.
    pub cluster: Option<String>,
    topics: HashMap<String, Topic>,
    drawn: Option<Timestamp>,
    coordinators: HashMap<String, Result<i32, Code>>,
    starts: HashMap<Place, (i64, Timestamp)>,
}

impl Atlas {
    /// Looks up what is missing or old.
    pub async fn refresh(
        &mut self,
        cluster: &Cluster,
        groups: &BTreeSet<&str>,
        topics: &BTreeSet<&str>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let fresh = self.drawn.is_some_and(|drawn| now.since(drawn) < MAP_LIFE);
        if !fresh || topics.iter().any(|topic| !self.topics.contains_key(*topic)) {
            let drawn = cluster.topology(topics.iter().copied().collect()).await?;
            self.cluster = drawn.cluster;
            self.topics = drawn.topics.into_iter().map(|topic| (topic.name.clone(), topic)).collect();
            self.drawn = Some(now);
            self.starts.retain(|(topic, _), _| topics.contains(topic.as_str()));
            self.coordinators.retain(|group, _| groups.contains(group.as_str()));
        }
        let lost = |group: &&str| !matches!(self.coordinators.get(*group), Some(Ok(_)));
        let lost: Vec<&str> = groups.iter().copied().filter(lost).collect();
        if !lost.is_empty() {
            self.find_coordinators(cluster, &lost).await?;
        }
        Ok(())
    }

    async fn find_coordinators(&mut self, cluster: &Cluster, groups: &[&str]) -> Result<(), Error> {
        let connection = cluster.any().await?;
        let several = FindCoordinators::takes_several(connection.version::<FindCoordinators>()?);
        let at_once = if several { groups.len() } else { 1 };
        for groups in groups.chunks(at_once.max(1)) {
            let found = connection.call(&FindCoordinators { groups: groups.to_vec() }).await?;
            self.coordinators.extend(found);
        }
        Ok(())
    }

    pub fn topic(&self, name: &str) -> Result<&Topic, Code> {
        let topic = self.topics.get(name).ok_or(Code::UNKNOWN_TOPIC_OR_PARTITION)?;
        topic.error.map(|()| topic)
    }

    pub fn coordinator(&self, group: &str) -> Result<i32, Code> {
        self.coordinators.get(group).copied().unwrap_or(Err(Code::COORDINATOR_NOT_AVAILABLE))
    }

    /// Partition to leader; -1 where there is none.
    pub fn leaders(&self, topic: &str) -> BTreeMap<i32, i32> {
        let partitions = self.topics.get(topic).map(|topic| topic.partitions.as_slice()).unwrap_or_default();
        partitions.iter().map(|partition| (partition.index, partition.leader)).collect()
    }

    /// The first offset that is kept, if it was looked up lately.
    pub fn start(&self, place: &Place, now: Timestamp) -> Option<i64> {
        self.starts.get(place).filter(|(_, at)| now.since(*at) < STARTS_LIFE).map(|(start, _)| *start)
    }

    pub fn set_start(&mut self, place: Place, start: i64, now: Timestamp) {
        self.starts.insert(place, (start, now));
    }

    /// Leaders are not where they were.
    pub fn forget_leaders(&mut self) {
        self.drawn = None;
    }

    pub fn forget_coordinator(&mut self, group: &str) {
        self.coordinators.remove(group);
    }

    /// A node is gone or hangs: whatever was its task is somebody else's soon.
    pub fn forget_node(&mut self, node: i32) {
        self.drawn = None;
        self.coordinators.retain(|_, coordinator| *coordinator != Ok(node));
    }

    /// The topic was made anew, perhaps: its log starts are of the old one.
    pub fn forget_starts(&mut self, topic: &str) {
        self.starts.retain(|(name, _), _| name != topic);
    }
}
