//! What groups have committed.

use std::collections::{BTreeMap, HashMap};

use super::{Request, read_topics, write_topics};
use crate::kafka::Partitions;
use crate::kafka::bytes::{Malformed, Reader, Writer};
use crate::kafka::error::Code;

/// Asks a coordinator for the commits of its groups, and of no other partitions than these: an empty
/// list would mean all that the group ever committed.
#[derive(Debug)]
pub struct FetchCommits<'a> {
    pub groups: Vec<(&'a str, &'a Partitions)>,
}

/// The first version that carries several groups.
const SEVERAL: i16 = 8;

/// By group. A group that is missing here was not answered for.
pub type Commits = HashMap<String, Result<GroupCommits, Code>>;

/// (topic, partition) to what was committed; `None` = nothing was.
pub type GroupCommits = HashMap<(String, i32), Result<Option<Committed>, Code>>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub offset: i64,
    /// What whoever committed wrote beside it.
    pub metadata: String,
}

impl FetchCommits<'_> {
    /// Brokers before 3.0 take one group at a time.
    pub fn takes_several(version: i16) -> bool {
        version >= SEVERAL
    }
}

impl Request for FetchCommits<'_> {
    const KEY: i16 = 9;
    const NAME: &'static str = "OffsetFetch";
    const VERSIONS: (i16, i16) = (6, 8);
    const FLEXIBLE: i16 = 6;
    type Answer = Commits;

    fn write(&self, version: i16, to: &mut Writer) {
        let several = Self::takes_several(version);
        let groups = self.groups.iter().take(if several { usize::MAX } else { 1 });
        if several {
            to.count(groups.len());
        }
        for (group, partitions) in groups {
            to.string(group);
            write_topics(to, partitions, Writer::i32);
            if several {
                to.end();
            }
        }
        if version >= 7 {
            // Offsets of open transactions are none of ours.
            to.bool(false);
        }
        to.end();
    }

    fn read(&self, version: i16, from: &mut Reader<'_>) -> Result<Commits, Malformed> {
        from.i32()?;
        if !Self::takes_several(version) {
            let commits = group_commits(from)?;
            let error = Code(from.i16()?).check();
            let group = self.groups.first().map(|(group, _)| ((*group).to_owned(), error.map(|()| commits)));
            return Ok(group.into_iter().collect());
        }
        let groups = from.array(|from| {
            let group = from.string()?;
            let commits = group_commits(from)?;
            let error = Code(from.i16()?).check();
            from.end()?;
            Ok((group, error.map(|()| commits)))
        })?;
        Ok(groups.into_iter().collect())
    }
}

fn group_commits(from: &mut Reader<'_>) -> Result<GroupCommits, Malformed> {
    let commits = read_topics(from, |from| {
        let (partition, offset) = (from.i32()?, from.i64()?);
        from.i32()?;
        let metadata = from.optional_string()?.unwrap_or_default();
        let error = Code(from.i16()?).check();
        from.end()?;
        Ok((partition, error.map(|()| (offset >= 0).then_some(Committed { offset, metadata }))))
    })?;
    Ok(commits.into_iter().map(|(topic, (partition, offset))| ((topic, partition), offset)).collect())
}

/// Commits for a group without members; a coordinator refuses it for one that has some. The answer:
/// the first error, if there is one.
#[derive(Debug)]
pub struct CommitOffsets<'a> {
    pub group: &'a str,
    /// Topic to partitions.
    pub offsets: BTreeMap<String, Vec<(i32, Committed)>>,
}

impl Request for CommitOffsets<'_> {
    const KEY: i16 = 8;
    const NAME: &'static str = "OffsetCommit";
    const VERSIONS: (i16, i16) = (7, 7);
    const FLEXIBLE: i16 = 8;
    type Answer = Result<(), Code>;

    fn write(&self, _: i16, to: &mut Writer) {
        to.string(self.group);
        // No generation and no member: that is what a group without members takes.
        to.i32(-1);
        to.string("");
        to.no_string();
        write_topics(to, &self.offsets, |to, (partition, committed)| {
            to.i32(partition);
            to.i64(committed.offset);
            to.i32(-1);
            to.string(&committed.metadata);
        });
    }

    fn read(&self, _: i16, from: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        from.i32()?;
        let answers = read_topics(from, |from| {
            from.i32()?;
            Ok(Code(from.i16()?).check())
        })?;
        Ok(answers.into_iter().try_for_each(|(_, answer)| answer))
    }
}
