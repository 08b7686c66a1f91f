//! What is asked now and then besides the look: records themselves, offsets of a time, commits.

use std::collections::{BTreeMap, HashMap};

use futures::future::join_all;

use super::super::Isolation;
use super::super::belief::{Looks, Place};
use super::super::lag::Look;
use super::{Reader, by_topic};
use crate::kafka::message::{Batch, CommitOffsets, Committed, Fetch, FetchCommits};
use crate::kafka::{Code, Error, Partitions};

/// What a person finds in the metadata of commits that are ours.
const NOTE: &str = "position kept by awp while the pool has no workers";

impl Reader {
    /// Whether a consumer would be given a record of what these partitions seem to have. What cannot be
    /// found out is left out.
    pub async fn examine(&self, isolation: Isolation, suspects: &[(Place, Look)]) -> Vec<(Place, Look, bool)> {
        let mut of_leader: HashMap<i32, Vec<(Place, Look)>> = HashMap::new();
        for (place, look) in suspects {
            let leader = self.atlas.leaders(&place.0).get(&place.1).copied().unwrap_or(-1);
            if leader >= 0 && self.nodes.trouble(leader).is_none() {
                of_leader.entry(leader).or_default().push((place.clone(), *look));
            }
        }
        let requests = of_leader.iter().map(async |(leader, suspects)| {
            let from = suspects.iter().map(|(place, look)| (place.clone(), begin(*look)));
            let answer = self.cluster.ask(*leader, &Fetch { isolation, topics: by_topic(from) }).await;
            let answers = answer.unwrap_or_default().into_iter();
            let found: HashMap<Place, Vec<Batch>> =
                answers.filter_map(|(topic, (partition, batches))| Some(((topic, partition), batches.ok()?))).collect();
            let of = |(place, look): &(Place, Look)| Some((place.clone(), *look, visible(found.get(place)?, *look)?));
            suspects.iter().filter_map(of).collect::<Vec<_>>()
        });
        join_all(requests).await.into_iter().flatten().collect()
    }

    /// The offsets of a time, for a group that begins there; the end where nothing is as new.
    pub async fn offsets_for(&self, looks: &Looks, time: i64) -> Result<BTreeMap<Place, i64>, Error> {
        let mut offsets = BTreeMap::new();
        let mut of_leader: HashMap<i32, Vec<Place>> = HashMap::new();
        for place in looks.partitions.keys() {
            let leader = self.atlas.leaders(&place.0).get(&place.1).copied();
            let leader = leader.filter(|it| *it >= 0).ok_or(Error::Refused(Code::LEADER_NOT_AVAILABLE))?;
            of_leader.entry(leader).or_default().push(place.clone());
        }
        for (leader, places) in of_leader {
            let times = places.into_iter().map(|place| (place, time));
            for (place, offset) in self.list(leader, Isolation::ReadUncommitted, times).await? {
                let offset = offset.map_err(Error::Refused)?;
                let end = looks.partitions.get(&place).map_or(0, |look| look.end);
                offsets.insert(place, offset.unwrap_or(end));
            }
        }
        Ok(offsets)
    }

    /// Commits for a group without members; refused with `UNKNOWN_MEMBER_ID` where it has some.
    pub async fn commit(&self, group: &str, offsets: &BTreeMap<Place, i64>) -> Result<(), Error> {
        let node = self.atlas.coordinator(group).map_err(Error::Refused)?;
        let before = self.committed(node, group, offsets.keys()).await?;
        let commits = offsets.iter().map(|(place, &offset)| {
            // The metadata belongs to the offset: `awp worker` keeps there what is done above it.
            let same = before.get(place).filter(|it| it.offset == offset && !it.metadata.is_empty());
            let metadata = same.map_or(NOTE, |it| &it.metadata).to_owned();
            (place.clone(), Committed { offset, metadata })
        });
        let offsets = by_topic(commits);
        self.cluster.ask(node, &CommitOffsets { group, offsets }).await?.map_err(Error::Refused)
    }

    async fn committed(
        &self,
        node: i32,
        group: &str,
        places: impl Iterator<Item = &Place>,
    ) -> Result<HashMap<Place, Committed>, Error> {
        let mut partitions = Partitions::new();
        for (topic, partition) in places {
            partitions.entry(topic.clone()).or_default().push(*partition);
        }
        let mut answer = self.cluster.ask(node, &FetchCommits { groups: vec![(group, &partitions)] }).await?;
        let commits = answer.remove(group).unwrap_or_else(|| Ok(HashMap::new())).map_err(Error::Refused)?;
        let known = commits.into_iter().filter_map(|(place, committed)| Some((place, committed.ok()??)));
        Ok(known.collect())
    }
}

/// Where a consumer that has committed goes on.
fn begin(look: Look) -> i64 {
    look.committed.unwrap_or(look.start).max(look.start)
}

/// `None` = the batches do not tell: they do not reach the end, or are in a format that is not read.
fn visible(batches: &[Batch], look: Look) -> Option<bool> {
    let mine = || batches.iter().filter(|batch| batch.last >= begin(look));
    if mine().any(|batch| batch.visible) {
        return Some(true);
    }
    mine().next_back().filter(|last| last.last + 1 >= look.end).map(|_| false)
}
