//! Where the work on newly assigned partitions begins.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};

use super::OffsetReset;
use super::context::{Context, list};
use super::metadata::{self, Ranges};
use super::partitions::Start;
use super::record::Key;

/// Of one look. Nothing is polled meanwhile; it is asked again after it.
const LIMIT: Duration = Duration::from_secs(5);

/// The committed offsets with what their metadata says, and for partitions without one where the
/// reset policy begins. Blocks.
pub fn find(consumer: &BaseConsumer<Context>, keys: &[Key], reset: OffsetReset) -> KafkaResult<Vec<Start>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let committed = consumer.committed_offsets(list(keys), LIMIT)?;
    let (mut starts, mut without) = (Vec::with_capacity(keys.len()), TopicPartitionList::new());
    for element in committed.elements() {
        element.error()?;
        match element.offset() {
            Offset::Offset(position) => {
                let inherited = metadata::decode(&text(&element), position);
                starts.push(Start { key: key(&element), position, inherited, committed: true });
            }
            _ => without.add_partition_offset(
                element.topic(),
                element.partition(),
                match reset {
                    OffsetReset::Earliest => Offset::Beginning,
                    OffsetReset::Latest => Offset::End,
                },
            )?,
        }
    }
    if without.count() > 0 {
        for element in consumer.offsets_for_times(without, LIMIT)?.elements() {
            element.error()?;
            // No offset at all = an empty log.
            let position = if let Offset::Offset(offset) = element.offset() { offset } else { 0 };
            starts.push(Start { key: key(&element), position, inherited: Ranges::new(), committed: false });
        }
    }
    Ok(starts)
}

/// The list to assign.
pub fn assignment(starts: &[Start]) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(starts.len());
    for Start { key: (topic, partition), position, .. } in starts {
        list.add_partition_offset(topic, *partition, Offset::Offset(*position))?;
    }
    Ok(list)
}

fn key(element: &TopicPartitionListElem<'_>) -> Key {
    (element.topic().into(), element.partition())
}

/// The crate panics at metadata that is not UTF-8; what a stranger wrote must not end the worker.
fn text(element: &TopicPartitionListElem<'_>) -> String {
    catch_unwind(AssertUnwindSafe(|| element.metadata().to_owned())).unwrap_or_default()
}
