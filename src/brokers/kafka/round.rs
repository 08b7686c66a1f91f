//! One look at everything: per coordinator one request for what all its groups have committed, per
//! leader one for where all its partitions end. More only for what is not known yet or changes rarely.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures::future::join_all;

use super::atlas::Atlas;
use super::belief::{Looks, Place};
use super::depths::{self, Found};
use super::errors;
use super::identity::Identity;
use super::keep::NOTE;
use super::lag::Look;
use super::nodes::Nodes;
use super::{Isolation, Wanted};
use crate::clock::Clock;
use crate::kafka::message::{
    DescribeClassic, DescribeConsumer, EARLIEST, FetchCommits, Group, GroupCommits, LATEST, ListOffsets,
};
use crate::kafka::{Cluster, Code, Error, Partitions};
use crate::scaling::observation::Unknown;
use crate::scaling::time::Timestamp;

/// Looks at groups of one cluster.
#[derive(Debug)]
pub struct Reader {
    pub(super) cluster: Arc<Cluster>,
    identity: Identity,
    pub(super) atlas: Atlas,
    pub(super) nodes: Nodes,
    clock: Clock,
}

/// A group to look at.
#[derive(Clone, Debug)]
pub struct Ask {
    pub wanted: Wanted,
    /// Its members are wanted as well.
    pub members: bool,
}

/// What one round is to find out.
#[derive(Clone, Debug, Default)]
pub struct Asks {
    pub groups: Vec<Ask>,
    /// Topics for dead letters, all that are named.
    pub dead_letters: BTreeSet<String>,
    /// Those of them to be looked at now.
    pub due: BTreeSet<String>,
}

/// What it found.
#[derive(Debug)]
pub struct Answers {
    /// In the order of the groups asked for.
    pub groups: Vec<Result<Looks, Unknown>>,
    pub depths: Found,
}

type Commits = HashMap<String, Result<GroupCommits, Code>>;
/// What to ask each node, by isolation: partitions and the times to ask for.
type Wants = HashMap<i32, BTreeMap<Isolation, BTreeSet<(Place, i64)>>>;
/// What leaders said of partitions, by isolation and time asked for.
pub(super) type Offsets = HashMap<(Isolation, i64, Place), Result<Option<i64>, Code>>;

impl Reader {
    pub fn new(identity: &Identity, clock: Clock, jitter: fn() -> f64) -> Result<Self, Unknown> {
        let cluster = Arc::new(Cluster::new(identity.settings()?));
        let nodes = Nodes::new(clock, jitter);
        Ok(Self { cluster, identity: identity.clone(), atlas: Atlas::default(), nodes, clock })
    }

    /// Looks at all of `asked`. An error is one of the cluster's.
    pub async fn look(&mut self, asked: &Asks) -> Result<Answers, Unknown> {
        let (asks, at) = (&asked.groups, self.clock.now());
        self.nodes.probe(&self.cluster);
        let groups: BTreeSet<&str> = asks.iter().map(|ask| ask.wanted.group.as_str()).collect();
        let topics = asks.iter().flat_map(|ask| &ask.wanted.topics).chain(&asked.dead_letters);
        let topics: BTreeSet<&str> = topics.map(String::as_str).collect();
        self.atlas.refresh(&self.cluster, &groups, &topics, at).await.map_err(|error| self.cluster_failed(&error))?;
        self.pass_over_nodes_in_trouble(&groups, &topics);
        let wants = self.wants(asked, at);
        let (groups, offsets) = tokio::join!(self.read_groups(asks), self.read_offsets(&wants));
        let (commits, members, failed) = groups;
        let (offsets, more) = offsets;
        for (node, error) in failed.iter().chain(&more) {
            self.nodes.failed(*node, error);
            self.atlas.forget_node(*node);
        }
        for ((_, time, place), offset) in &offsets {
            match offset {
                Ok(Some(start)) if *time == EARLIEST => self.atlas.set_start(place.clone(), *start, at),
                Ok(_) => {}
                Err(_) => self.atlas.forget_leaders(),
            }
        }
        let depths = self.depths(&asked.due, &offsets, at);
        let groups = asks.iter().map(|ask| self.looks(ask, &commits, &members, &offsets, at)).collect();
        Ok(Answers { groups, depths })
    }

    /// What a failing node led or coordinated is somebody else's soon: it is asked for again next time.
    fn pass_over_nodes_in_trouble(&mut self, groups: &BTreeSet<&str>, topics: &BTreeSet<&str>) {
        let coordinators = groups.iter().filter_map(|group| self.atlas.coordinator(group).ok());
        let leaders = topics.iter().flat_map(|topic| self.atlas.leaders(topic).into_values());
        let nodes: BTreeSet<i32> = coordinators.chain(leaders).collect();
        for node in nodes.into_iter().filter(|node| self.nodes.trouble(*node).is_some()) {
            self.atlas.forget_node(node);
        }
    }

    /// Node to isolation and partitions with times.
    fn wants(&self, asked: &Asks, at: Timestamp) -> Wants {
        let of_groups = asked.groups.iter().flat_map(|Ask { wanted, .. }| {
            let isolation = wanted.isolation;
            wanted.topics.iter().map(move |topic| (isolation, topic))
        });
        let mut wants = Wants::new();
        for (isolation, topic) in of_groups.chain(asked.due.iter().map(|topic| (depths::ISOLATION, topic))) {
            for (partition, leader) in self.atlas.leaders(topic) {
                let place = (topic.clone(), partition);
                let of_leader = wants.entry(leader).or_default().entry(isolation).or_default();
                if self.atlas.start(&place, at).is_none() {
                    of_leader.insert((place.clone(), EARLIEST));
                }
                of_leader.insert((place, LATEST));
            }
        }
        wants.remove(&-1);
        wants
    }

    /// Where partitions end, and the nodes that did not say.
    async fn read_offsets(&self, wants: &Wants) -> (Offsets, Vec<(i32, Error)>) {
        let ask = async |node: i32, isolation: Isolation, time: i64, places: Vec<Place>| {
            let answer = self.list(node, isolation, places.iter().map(|place| (place.clone(), time))).await;
            (node, isolation, time, answer)
        };
        let mut requests = Vec::new();
        for (node, wants) in wants.iter().filter(|(node, _)| self.nodes.trouble(**node).is_none()) {
            for (isolation, wants) in wants {
                // A request names each partition once.
                for time in [LATEST, EARLIEST] {
                    let places: Vec<Place> =
                        wants.iter().filter(|(_, it)| *it == time).map(|(place, _)| place.clone()).collect();
                    if !places.is_empty() {
                        requests.push(ask(*node, *isolation, time, places));
                    }
                }
            }
        }
        let (mut offsets, mut failed) = (Offsets::new(), Vec::new());
        for (node, isolation, time, answer) in join_all(requests).await {
            match answer {
                Ok(listed) => offsets.extend(listed.into_iter().map(|(place, it)| ((isolation, time, place), it))),
                Err(error) => failed.push((node, error)),
            }
        }
        (offsets, failed)
    }

    pub(super) async fn list(
        &self,
        node: i32,
        isolation: Isolation,
        places: impl Iterator<Item = (Place, i64)>,
    ) -> Result<Vec<(Place, Result<Option<i64>, Code>)>, Error> {
        let topics = by_topic(places);
        let listed = self.cluster.ask(node, &ListOffsets { isolation, topics }).await?;
        Ok(listed.into_iter().map(|it| ((it.topic, it.partition), it.offset)).collect())
    }

    /// What groups have committed, who is in those that were asked about, and the nodes that did not say.
    async fn read_groups(&self, asks: &[Ask]) -> (Commits, HashMap<String, Result<Group, Code>>, Vec<(i32, Error)>) {
        let mut of_node: HashMap<i32, Vec<&Ask>> = HashMap::new();
        for ask in asks {
            if let Ok(node) = self.atlas.coordinator(&ask.wanted.group)
                && self.nodes.trouble(node).is_none()
            {
                of_node.entry(node).or_default().push(ask);
            }
        }
        let requests = of_node.iter().map(async |(node, asks)| {
            // Members first: whoever is said to hold nothing held its partitions then.
            let described: BTreeSet<&str> =
                asks.iter().filter(|ask| ask.members).map(|ask| ask.wanted.group.as_str()).collect();
            let answer = async {
                Ok::<_, Error>((self.describe(*node, &described).await?, self.fetch_commits(*node, asks).await?))
            };
            (*node, answer.await)
        });
        let (mut commits, mut members, mut failed) = (Commits::new(), HashMap::new(), Vec::new());
        for (node, answer) in join_all(requests).await {
            match answer {
                Ok((described, fetched)) => {
                    members.extend(described);
                    commits.extend(fetched);
                }
                Err(error) => failed.push((node, error)),
            }
        }
        (commits, members, failed)
    }

    /// Pools may share a group with other topics: each group is asked for all that is wanted of it.
    async fn fetch_commits(&self, node: i32, asks: &[&Ask]) -> Result<Commits, Error> {
        let mut wanted: BTreeMap<&str, Partitions> = BTreeMap::new();
        for Wanted { group, topics, .. } in asks.iter().map(|ask| &ask.wanted) {
            let all = wanted.entry(group).or_default();
            for topic in topics {
                let partitions: Vec<i32> = self.atlas.leaders(topic).into_keys().collect();
                if !partitions.is_empty() {
                    all.insert(topic.clone(), partitions);
                }
            }
        }
        // A group without partitions would be answered with all that it ever committed.
        let groups: Vec<(&str, &Partitions)> =
            wanted.iter().filter(|(_, all)| !all.is_empty()).map(|(group, all)| (*group, all)).collect();
        let connection = self.cluster.node(node).await?;
        let several = FetchCommits::takes_several(connection.version::<FetchCommits<'_>>()?);
        let at_once = if several { groups.len() } else { 1 };
        let requests: Vec<FetchCommits<'_>> =
            groups.chunks(at_once.max(1)).map(|groups| FetchCommits { groups: groups.to_vec() }).collect();
        let mut commits = Commits::new();
        for answer in join_all(requests.iter().map(|request| connection.call(request))).await {
            commits.extend(answer?);
        }
        Ok(commits)
    }

    /// The new protocol is asked first, where the broker has it: the classic answer to a group of the
    /// new one is that there is none. Brokers of 3.7 to 3.9 know the request and, as they come, not the protocol.
    async fn describe(
        &self,
        node: i32,
        groups: &BTreeSet<&str>,
    ) -> Result<HashMap<String, Result<Group, Code>>, Error> {
        if groups.is_empty() {
            return Ok(HashMap::new());
        }
        let connection = self.cluster.node(node).await?;
        let all: Vec<&str> = groups.iter().copied().collect();
        let mut found = match connection.version::<DescribeConsumer<'_>>() {
            Ok(_) => connection.call(&DescribeConsumer { groups: all.clone() }).await?,
            Err(_) => HashMap::new(),
        };
        let is_missing = |it: &_| matches!(it, Err(Code::GROUP_ID_NOT_FOUND | Code::UNSUPPORTED_VERSION));
        let classic: Vec<&str> = all.into_iter().filter(|group| found.get(*group).is_none_or(is_missing)).collect();
        if !classic.is_empty() {
            found.extend(connection.call(&DescribeClassic { groups: classic }).await?);
        }
        Ok(found)
    }

    /// All answers about one group, or why they do not suffice.
    fn looks(
        &mut self,
        ask: &Ask,
        commits: &Commits,
        members: &HashMap<String, Result<Group, Code>>,
        offsets: &Offsets,
        at: Timestamp,
    ) -> Result<Looks, Unknown> {
        let wanted = &ask.wanted;
        let commits = match commits.get(&wanted.group) {
            Some(Ok(commits)) => Some(commits),
            Some(Err(code)) => return Err(self.group_failed(*code, wanted)),
            None => None,
        };
        let mut looks = Looks { at, ..Looks::default() };
        for name in &wanted.topics {
            let topic = self.atlas.topic(name).map_err(|code| errors::topic(code, name, &self.identity))?;
            looks.topics.insert(name.clone(), topic.id);
            for (partition, leader) in self.atlas.leaders(name) {
                let place = (name.clone(), partition);
                let look = self.look_at(wanted, &place, leader, commits, offsets, at)?;
                let committed = commits.and_then(|commits| commits.get(&place)?.as_ref().ok()?.as_ref());
                if let Some(committed) = committed.filter(|it| !it.metadata.is_empty() && it.metadata != NOTE) {
                    looks.notes.insert(place.clone(), committed.metadata.clone());
                }
                looks.partitions.insert(place, look);
            }
        }
        looks.group = members.get(&wanted.group).and_then(|group| group.clone().ok());
        Ok(looks)
    }

    fn look_at(
        &mut self,
        wanted: &Wanted,
        place: &Place,
        leader: i32,
        commits: Option<&GroupCommits>,
        offsets: &Offsets,
        at: Timestamp,
    ) -> Result<Look, Unknown> {
        let (topic, partition) = (place.0.as_str(), place.1);
        let Some(commits) = commits else { return Err(self.not_said(self.atlas.coordinator(&wanted.group), wanted)) };
        let committed = match commits.get(place) {
            Some(Ok(committed)) => committed.as_ref().map(|it| it.offset),
            Some(Err(code)) => return Err(self.group_failed(*code, wanted)),
            None => return Err(errors::incomplete(topic, partition)),
        };
        let end_of = |time: i64| match offsets.get(&(wanted.isolation, time, place.clone())) {
            Some(Ok(Some(offset))) => Ok(*offset),
            Some(Ok(None)) => Err(errors::incomplete(topic, partition)),
            Some(Err(code)) => Err(errors::topic(*code, topic, &self.identity)),
            None if leader < 0 => Err(errors::topic(Code::LEADER_NOT_AVAILABLE, topic, &self.identity)),
            None => match self.nodes.trouble(leader) {
                Some(error) => Err(errors::failed(&error, &self.cluster.address(leader), &self.identity)),
                None => Err(errors::incomplete(topic, partition)),
            },
        };
        let end = end_of(LATEST)?;
        let start = self.atlas.start(place, at).map_or_else(|| end_of(EARLIEST), Ok)?;
        if end < start {
            // Made anew since the start was looked up.
            self.atlas.forget_starts(topic);
            return Err(errors::incomplete(topic, partition));
        }
        Ok(Look { start, end, committed })
    }

    fn not_said(&self, coordinator: Result<i32, Code>, wanted: &Wanted) -> Unknown {
        match coordinator.map(|node| (node, self.nodes.trouble(node))) {
            Ok((node, Some(error))) => errors::failed(&error, &self.cluster.address(node), &self.identity),
            Ok((_, None)) => errors::group(Code::COORDINATOR_NOT_AVAILABLE, &wanted.group, &self.identity),
            Err(code) => errors::group(code, &wanted.group, &self.identity),
        }
    }

    fn group_failed(&mut self, code: Code, wanted: &Wanted) -> Unknown {
        // Also for what is no move: the next round asks whoever is told then.
        self.atlas.forget_coordinator(&wanted.group);
        errors::group(code, &wanted.group, &self.identity)
    }

    fn cluster_failed(&self, error: &Error) -> Unknown {
        errors::failed(error, &self.identity.address(), &self.identity)
    }

    /// Which cluster it is, once that was told.
    pub fn cluster_id(&self) -> Option<&str> {
        self.atlas.cluster.as_deref()
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}

pub(super) fn by_topic<T>(places: impl Iterator<Item = (Place, T)>) -> BTreeMap<String, Vec<(i32, T)>> {
    let mut topics: BTreeMap<String, Vec<(i32, T)>> = BTreeMap::new();
    for ((topic, partition), value) in places {
        topics.entry(topic).or_default().push((partition, value));
    }
    topics
}
