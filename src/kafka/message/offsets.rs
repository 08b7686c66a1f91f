//! Where partitions begin and end.

use std::collections::BTreeMap;

use super::{Request, read_topics, write_topics};
use crate::kafka::bytes::{Malformed, Reader, Writer};
use crate::kafka::error::Code;

/// Instead of a time in milliseconds: the first offset that is kept.
pub const EARLIEST: i64 = -2;
/// The offset of the next record; for [`Isolation::ReadCommitted`] the last stable one.
pub const LATEST: i64 = -1;

/// What a consumer gets to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Isolation {
    ReadUncommitted,
    /// Nothing of open and aborted transactions.
    ReadCommitted,
}

/// Asks a leader: topic to (partition, time).
#[derive(Debug)]
pub struct ListOffsets {
    pub isolation: Isolation,
    pub topics: BTreeMap<String, Vec<(i32, i64)>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ListedOffset {
    pub topic: String,
    pub partition: i32,
    /// `None` = no record is as new as the time asked for.
    pub offset: Result<Option<i64>, Code>,
}

impl Request for ListOffsets {
    const KEY: i16 = 2;
    const NAME: &'static str = "ListOffsets";
    const VERSIONS: (i16, i16) = (5, 5);
    const FLEXIBLE: i16 = 6;
    type Answer = Vec<ListedOffset>;

    fn write(&self, _: i16, to: &mut Writer) {
        // Not a replica.
        to.i32(-1);
        to.i8(i8::from(self.isolation == Isolation::ReadCommitted));
        write_topics(to, &self.topics, |to, (partition, time)| {
            to.i32(partition);
            // The leader's epoch, unknown.
            to.i32(-1);
            to.i64(time);
        });
    }

    fn read(&self, _: i16, from: &mut Reader<'_>) -> Result<Vec<ListedOffset>, Malformed> {
        from.i32()?;
        let listed = read_topics(from, |from| {
            let (partition, error) = (from.i32()?, Code(from.i16()?).check());
            from.i64()?;
            let offset = from.i64()?;
            from.i32()?;
            Ok((partition, error.map(|()| (offset >= 0).then_some(offset))))
        })?;
        let listed = listed.into_iter();
        Ok(listed.map(|(topic, (partition, offset))| ListedOffset { topic, partition, offset }).collect())
    }
}
