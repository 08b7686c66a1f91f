//! Where groups are coordinated, and who is in them.

use std::collections::HashMap;

use super::{Request, read_topics};
use crate::kafka::Partitions;
use crate::kafka::bytes::{Malformed, Reader, Writer};
use crate::kafka::error::Code;

/// Asks any broker for the coordinators of groups. The answer: group to node.
#[derive(Debug)]
pub struct FindCoordinators<'a> {
    pub groups: Vec<&'a str>,
}

impl FindCoordinators<'_> {
    /// Brokers before 3.0 take one group at a time.
    pub fn takes_several(version: i16) -> bool {
        version >= 4
    }
}

impl Request for FindCoordinators<'_> {
    const KEY: i16 = 10;
    const NAME: &'static str = "FindCoordinator";
    const VERSIONS: (i16, i16) = (3, 4);
    const FLEXIBLE: i16 = 3;
    type Answer = HashMap<String, Result<i32, Code>>;

    fn write(&self, version: i16, to: &mut Writer) {
        const GROUP: i8 = 0;
        if Self::takes_several(version) {
            to.i8(GROUP);
            to.array(self.groups.iter(), |to, group| to.string(group));
        } else {
            to.string(self.groups.first().copied().unwrap_or_default());
            to.i8(GROUP);
        }
        to.end();
    }

    fn read(&self, version: i16, from: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        from.i32()?;
        if !Self::takes_several(version) {
            let error = Code(from.i16()?).check();
            from.optional_string()?;
            let node = from.i32()?;
            let group = self.groups.first().map(|group| ((*group).to_owned(), error.map(|()| node)));
            return Ok(group.into_iter().collect());
        }
        let found = from.array(|from| {
            let (group, node) = (from.string()?, from.i32()?);
            from.string()?;
            from.i32()?;
            let error = Code(from.i16()?).check();
            from.optional_string()?;
            from.end()?;
            Ok((group, error.map(|()| node)))
        })?;
        Ok(found.into_iter().collect())
    }
}

/// A group as its coordinator sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// `Empty`, `Stable`, `Dead` (there is none of this protocol) …
    pub state: String,
    pub members: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    pub client_id: String,
    pub assigned: Partitions,
}

impl Group {
    /// Nobody is in it, or it does not exist.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && matches!(self.state.as_str(), "Empty" | "Dead")
    }

    /// Members hold what they were assigned.
    pub fn is_stable(&self) -> bool {
        self.state == "Stable"
    }
}

/// By group.
type Groups = HashMap<String, Result<Group, Code>>;

/// Groups of the classic protocol, of one coordinator.
#[derive(Debug)]
pub struct DescribeClassic<'a> {
    pub groups: Vec<&'a str>,
}

impl Request for DescribeClassic<'_> {
    const KEY: i16 = 15;
    const NAME: &'static str = "DescribeGroups";
    const VERSIONS: (i16, i16) = (4, 4);
    const FLEXIBLE: i16 = 5;
    type Answer = Groups;

    fn write(&self, _: i16, to: &mut Writer) {
        to.array(self.groups.iter(), |to, group| to.string(group));
        to.bool(false);
    }

    fn read(&self, _: i16, from: &mut Reader<'_>) -> Result<Groups, Malformed> {
        from.i32()?;
        let groups = from.array(|from| {
            let error = Code(from.i16()?).check();
            let (group, state) = (from.string()?, from.string()?);
            // Protocol type and assignor.
            from.string()?;
            from.string()?;
            let members = from.array(classic_member)?;
            from.i32()?;
            Ok((group, error.map(|()| Group { state, members })))
        })?;
        Ok(groups.into_iter().collect())
    }
}

fn classic_member(from: &mut Reader<'_>) -> Result<Member, Malformed> {
    from.string()?;
    from.optional_string()?;
    let client_id = from.string()?;
    from.string()?;
    from.bytes()?;
    let assigned = classic_assignment(from.bytes()?)?;
    Ok(Member { client_id, assigned })
}

/// What the group's leader sent to its member, in an encoding of its own. Empty during a rebalance.
fn classic_assignment(bytes: &[u8]) -> Result<Partitions, Malformed> {
    if bytes.is_empty() {
        return Ok(Partitions::new());
    }
    let mut from = Reader::new(bytes, false);
    from.i16()?;
    Ok(gather(read_topics(&mut from, Reader::i32)?))
}

/// Groups of the new protocol (KIP-848), of one coordinator.
#[derive(Debug)]
pub struct DescribeConsumer<'a> {
    pub groups: Vec<&'a str>,
}

impl Request for DescribeConsumer<'_> {
    const KEY: i16 = 69;
    const NAME: &'static str = "ConsumerGroupDescribe";
    const VERSIONS: (i16, i16) = (0, 0);
    const FLEXIBLE: i16 = 0;
    type Answer = Groups;

    fn write(&self, _: i16, to: &mut Writer) {
        to.array(self.groups.iter(), |to, group| to.string(group));
        to.bool(false);
        to.end();
    }

    fn read(&self, _: i16, from: &mut Reader<'_>) -> Result<Groups, Malformed> {
        from.i32()?;
        let groups = from.array(|from| {
            let error = Code(from.i16()?).check();
            from.optional_string()?;
            let (group, state) = (from.string()?, from.string()?);
            // Epochs and assignor.
            from.i32()?;
            from.i32()?;
            from.string()?;
            let members = from.array(consumer_member)?;
            from.i32()?;
            from.end()?;
            Ok((group, error.map(|()| Group { state, members })))
        })?;
        Ok(groups.into_iter().collect())
    }
}

fn consumer_member(from: &mut Reader<'_>) -> Result<Member, Malformed> {
    from.string()?;
    // Instance, rack and epoch.
    from.optional_string()?;
    from.optional_string()?;
    from.i32()?;
    let client_id = from.string()?;
    from.string()?;
    // What it subscribed to.
    from.array(Reader::string)?;
    from.optional_string()?;
    let assigned = consumer_assignment(from)?;
    // What it is meant to have in the end.
    consumer_assignment(from)?;
    from.end()?;
    Ok(Member { client_id, assigned })
}

fn consumer_assignment(from: &mut Reader<'_>) -> Result<Partitions, Malformed> {
    let topics = from.array(|from| {
        from.uuid()?;
        let (name, partitions) = (from.string()?, from.array(Reader::i32)?);
        from.end()?;
        Ok((name, partitions))
    })?;
    from.end()?;
    Ok(topics.into_iter().collect())
}

fn gather(partitions: Vec<(String, i32)>) -> Partitions {
    let mut gathered = Partitions::new();
    for (topic, partition) in partitions {
        gathered.entry(topic).or_default().push(partition);
    }
    gathered
}
