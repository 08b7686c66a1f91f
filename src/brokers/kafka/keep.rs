//! Committing for a group without members.

use std::collections::{BTreeMap, HashMap};

use super::Isolation;
use super::belief::{Looks, Notes, Place};
use super::round::{Reader, by_topic};
use crate::kafka::message::{CommitOffsets, Committed, FetchCommits};
use crate::kafka::{Code, Error, Partitions};

/// What a person finds in the metadata of commits that are ours.
pub const NOTE: &str = "position kept by awp while the pool has no workers";

impl Reader {
    /// Commits for a group without members; refused with `UNKNOWN_MEMBER_ID` where it has some. `notes` belong to
    /// these offsets.
    pub async fn commit(&self, group: &str, offsets: &BTreeMap<Place, i64>, notes: &Notes) -> Result<(), Error> {
        let node = self.atlas.coordinator(group).map_err(Error::Refused)?;
        let before = self.committed(node, group, offsets.keys()).await?;
        let commits = offsets.iter().map(|(place, &offset)| {
            // The metadata belongs to the offset: `awp worker` keeps there what is done above it.
            let same = before.get(place).filter(|it| it.offset == offset && !it.metadata.is_empty());
            let beside = same.map(|it| &it.metadata).or_else(|| notes.get(place));
            let metadata = beside.map_or(NOTE, String::as_str).to_owned();
            (place.clone(), Committed { offset, metadata })
        });
        let offsets = by_topic(commits);
        self.cluster.ask(node, &CommitOffsets { group, offsets }).await?.map_err(Error::Refused)
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
