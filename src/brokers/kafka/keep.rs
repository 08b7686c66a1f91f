//! Committing for a group without members.

use std::collections::{BTreeMap, HashMap};

use super::belief::Place;
use super::round::{Reader, by_topic};
use crate::kafka::message::{CommitOffsets, Committed, FetchCommits};
use crate::kafka::{Error, Partitions};

/// What a person finds in the metadata of commits that are ours.
const NOTE: &str = "position kept by awp while the pool has no workers";

impl Reader {
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
