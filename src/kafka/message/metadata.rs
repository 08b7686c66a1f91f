//! Who leads which partition, and where brokers are to be reached.

use super::Request;
use crate::kafka::bytes::{Malformed, Reader, Writer};
use crate::kafka::error::Code;

/// Asks for `topics`; with none, for the brokers only.
#[derive(Debug)]
pub struct Metadata<'a> {
    pub topics: Vec<&'a str>,
}

/// Another one when a topic is made anew under its old name; zeros from brokers before 2.8.
pub type TopicId = [u8; 16];

#[derive(Clone, Debug, PartialEq)]
pub struct Topology {
    /// The cluster's id, the same whatever address it was asked by.
    pub cluster: Option<String>,
    pub nodes: Vec<Node>,
    pub topics: Vec<Topic>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub id: i32,
    pub host: String,
    pub port: i32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    pub name: String,
    pub id: TopicId,
    pub error: Result<(), Code>,
    pub partitions: Vec<Partition>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Partition {
    pub index: i32,
    /// -1 where there is none.
    pub leader: i32,
    pub error: Result<(), Code>,
}

impl Request for Metadata<'_> {
    const KEY: i16 = 3;
    const NAME: &'static str = "Metadata";
    const VERSIONS: (i16, i16) = (9, 10);
    const FLEXIBLE: i16 = 9;
    type Answer = Topology;

    fn write(&self, version: i16, to: &mut Writer) {
        to.array(self.topics.iter(), |to, name| {
            if version >= 10 {
                to.no_uuid();
            }
            to.string(name);
            to.end();
        });
        // No topic is created by being asked for, and nobody's permissions are listed.
        to.bool(false);
        to.bool(false);
        to.bool(false);
        to.end();
    }

    fn read(&self, version: i16, from: &mut Reader<'_>) -> Result<Topology, Malformed> {
        from.i32()?;
        let nodes = from.array(|from| {
            let node = Node { id: from.i32()?, host: from.string()?, port: from.i32()? };
            from.optional_string()?;
            from.end()?;
            Ok(node)
        })?;
        let cluster = from.optional_string()?;
        from.i32()?;
        let topics = from.array(|from| {
            let error = Code(from.i16()?).check();
            let name = from.string()?;
            let id = if version >= 10 { from.uuid()? } else { TopicId::default() };
            from.bool()?;
            let partitions = from.array(partition)?;
            from.i32()?;
            from.end()?;
            Ok(Topic { name, id, error, partitions })
        })?;
        Ok(Topology { cluster, nodes, topics })
    }
}

fn partition(from: &mut Reader<'_>) -> Result<Partition, Malformed> {
    let error = Code(from.i16()?).check();
    let (index, leader) = (from.i32()?, from.i32()?);
    from.i32()?;
    // Replicas, those in sync, those offline.
    for _ in 0..3 {
        from.array(Reader::i32)?;
    }
    from.end()?;
    Ok(Partition { index, leader, error })
}
