//! The requests that are needed, each with its answer, in versions that brokers from 2.4 to 4.x have.

mod commits;
mod describe;
mod fetch;
mod handshake;
mod metadata;
mod offsets;

pub use commits::{CommitOffsets, Commits, Committed, FetchCommits, GroupCommits};
pub use describe::{DescribeClassic, DescribeConsumer, FindCoordinators, Group, Member};
pub use fetch::{Batch, Fetch};
pub use handshake::{ApiVersions, SaslAuthenticate, SaslHandshake};
pub use metadata::{Metadata, Node, Partition, Topic, TopicId, Topology};
pub use offsets::{EARLIEST, Isolation, LATEST, ListOffsets, ListedOffset};

use super::bytes::{Malformed, Reader, Writer};

/// A request, and how its answer is read.
pub trait Request {
    const KEY: i16;
    /// For messages: what it asks for.
    const NAME: &'static str;
    /// The oldest and the newest version that is written here.
    const VERSIONS: (i16, i16);
    /// The first version in the compact encoding.
    const FLEXIBLE: i16;
    type Answer;

    fn write(&self, version: i16, to: &mut Writer);
    fn read(&self, version: i16, from: &mut Reader<'_>) -> Result<Self::Answer, Malformed>;
}

/// Topics with a list of something for each partition, as most requests carry them.
fn write_topics<T: Clone>(
    to: &mut Writer,
    topics: &std::collections::BTreeMap<String, Vec<T>>,
    mut partition: impl FnMut(&mut Writer, T),
) {
    to.array(topics.iter(), |to, (name, partitions)| {
        to.string(name);
        to.array(partitions.iter(), |to, it| partition(to, it.clone()));
        to.end();
    });
}

/// The same in answers: `(topic, element)` for each partition.
fn read_topics<'a, T>(
    from: &mut Reader<'a>,
    mut partition: impl FnMut(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<Vec<(String, T)>, Malformed> {
    let mut all = Vec::new();
    from.array(|from| {
        let name = from.string()?;
        let partitions = from.array(&mut partition)?;
        all.extend(partitions.into_iter().map(|it| (name.clone(), it)));
        from.end()
    })?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kafka::Partitions;

    /// Whoever answers may send anything.
    fn reads<R: Request>(request: &R, bytes: &[u8]) {
        for version in R::VERSIONS.0..=R::VERSIONS.1 {
            let _ = request.read(version, &mut Reader::new(bytes, version >= R::FLEXIBLE));
        }
    }

    proptest! {
        #[test]
        fn no_answer_is_too_strange_to_be_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let partitions = Partitions::new();
            reads(&ApiVersions, &bytes);
            reads(&SaslHandshake { mechanism: "PLAIN" }, &bytes);
            reads(&SaslAuthenticate { step: Vec::new() }, &bytes);
            reads(&Metadata { topics: vec![] }, &bytes);
            reads(&ListOffsets { isolation: Isolation::ReadCommitted, topics: <_>::default() }, &bytes);
            reads(&FetchCommits { groups: vec![("g", &partitions)] }, &bytes);
            reads(&CommitOffsets { group: "g", offsets: <_>::default() }, &bytes);
            reads(&FindCoordinators { groups: vec!["g"] }, &bytes);
            reads(&DescribeClassic { groups: vec!["g"] }, &bytes);
            reads(&DescribeConsumer { groups: vec!["g"] }, &bytes);
            reads(&Fetch { isolation: Isolation::ReadCommitted, topics: <_>::default() }, &bytes);
        }
    }
}
