//! A look at records without reading them: whether a consumer would get any.

use std::collections::{BTreeMap, HashSet};

use super::{Isolation, Request, read_topics, write_topics};
use crate::kafka::bytes::{Malformed, Reader, Writer};
use crate::kafka::error::Code;

/// Asks a leader for the start of what follows (partition, offset), by topic.
#[derive(Debug)]
pub struct Fetch {
    pub isolation: Isolation,
    pub topics: BTreeMap<String, Vec<(i32, i64)>>,
}

/// Of each partition; headers of batches are what is looked at, and a batch counts when it has begun.
const PARTITION_BYTES: i32 = 64 * 1024;
const ALL_BYTES: i32 = 4 * 1024 * 1024;

/// One batch of records as its header describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    pub first: i64,
    pub last: i64,
    /// A consumer of the isolation asked for gets records of it.
    pub visible: bool,
}

impl Request for Fetch {
    const KEY: i16 = 1;
    const NAME: &'static str = "Fetch";
    const VERSIONS: (i16, i16) = (11, 11);
    const FLEXIBLE: i16 = 12;
    /// By topic and partition.
    type Answer = Vec<(String, (i32, Result<Vec<Batch>, Code>))>;

    fn write(&self, _: i16, to: &mut Writer) {
        to.i32(-1);
        // What is there is answered at once.
        to.i32(0);
        to.i32(0);
        to.i32(ALL_BYTES);
        to.i8(i8::from(self.isolation == Isolation::ReadCommitted));
        // No session: (id, epoch).
        to.i32(0);
        to.i32(-1);
        write_topics(to, &self.topics, |to, (partition, offset)| {
            to.i32(partition);
            to.i32(-1);
            to.i64(offset);
            to.i64(-1);
            to.i32(PARTITION_BYTES);
        });
        // Nothing to forget, and no rack.
        to.count(0);
        to.string("");
    }

    fn read(&self, _: i16, from: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        from.i32()?;
        from.i16()?;
        from.i32()?;
        read_topics(from, |from| {
            let (partition, error) = (from.i32()?, Code(from.i16()?).check());
            // High watermark, last stable offset, log start.
            for _ in 0..3 {
                from.i64()?;
            }
            let aborted = from.array(|from| Ok((from.i64()?, from.i64()?)))?;
            from.i32()?;
            let records = from.bytes()?;
            Ok((partition, error.map(|()| batches(records, &aborted))))
        })
    }
}

/// The batches in `records`; the last one may be cut off after its header.
fn batches(records: &[u8], aborted: &[(i64, i64)]) -> Vec<Batch> {
    let mut from = Reader::new(records, false);
    let mut batches = Vec::new();
    let mut aborted = aborted.to_vec();
    aborted.sort_by_key(|(_, first)| *first);
    let mut aborted = aborted.into_iter().peekable();
    let mut open = HashSet::new();
    while let Ok(header) = Header::read(&mut from) {
        // An abort holds from its first offset to the producer's next marker.
        while let Some((producer, _)) = aborted.next_if(|(_, first)| *first <= header.last()) {
            open.insert(producer);
        }
        if header.is_control() {
            open.remove(&header.producer);
        }
        let hidden = header.is_control() || (header.is_transactional() && open.contains(&header.producer));
        batches.push(Batch { first: header.first, last: header.last(), visible: !hidden && header.records > 0 });
        if from.take(header.rest).is_err() {
            break;
        }
    }
    batches
}

struct Header {
    first: i64,
    last_delta: i32,
    attributes: i16,
    producer: i64,
    records: i32,
    /// Bytes of records that follow.
    rest: usize,
}

/// Bytes of a batch after its length that belong to the header.
const AFTER_LENGTH: usize = 49;

impl Header {
    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let first = from.i64()?;
        let length = usize::try_from(from.i32()?).map_err(|_| Malformed("a batch has no length"))?;
        from.i32()?;
        if from.i8()? != 2 {
            return Err(Malformed("a batch in an old format"));
        }
        from.i32()?;
        let (attributes, last_delta) = (from.i16()?, from.i32()?);
        from.i64()?;
        from.i64()?;
        let producer = from.i64()?;
        from.i16()?;
        from.i32()?;
        let records = from.i32()?;
        let rest = length.checked_sub(AFTER_LENGTH).ok_or(Malformed("a batch is too short"))?;
        Ok(Self { first, last_delta, attributes, producer, records, rest })
    }

    fn last(&self) -> i64 {
        self.first.saturating_add(i64::from(self.last_delta))
    }

    fn is_transactional(&self) -> bool {
        self.attributes & 0x10 != 0
    }

    fn is_control(&self) -> bool {
        self.attributes & 0x20 != 0
    }
}
