//! Reading Apache Kafka: what groups have committed against where partitions end, for all groups of a
//! cluster together.
//!
//! | file | what it does |
//! |---|---|
//! | `lag` | **pure**: what one partition has waiting |
//! | `belief` | **pure**: looks in, a reading out; every rule on what may be believed |
//! | `start` | **pure**: which offsets are committed for a group that has no members |
//! | `atlas` | what is known of topics, leaders, coordinators and log starts |
//! | `round` | one look at everything: a request per coordinator and one per leader |
//! | `depths` | how full dead-letter topics are |
//! | `leftovers` | whether what seems to wait is anything a consumer gets |
//! | `nodes` | which brokers fail now, and when they are tried again |
//! | `watch` | the groups that are watched, and the pools that want to know |
//! | `poller` | the life of a poller, from first subscription to last |
//! | `check` | what `awp check` tries |
//! | `identity`, `errors` | cluster and login; words |
//!
//! The operator is no consumer: it joins no group and takes no record. It writes one thing, the
//! position of a group that has no members (see `start`).

mod atlas;
mod belief;
mod check;
mod depths;
mod errors;
mod identity;
mod keep;
mod lag;
mod leftovers;
mod nodes;
mod poller;
mod round;
mod start;
mod watch;

pub(super) use check::check;
pub use identity::Identity;
pub(super) use poller::Poller;

pub use crate::kafka::message::Isolation;
pub use crate::kafka::{Login, Mechanism};
pub use crate::net::tls::TlsFiles;
use crate::scaling::observation::Unknown;

/// One group on one cluster, with the login to read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    pub broker: Identity,
    pub wanted: Wanted,
    /// Whose depth to show; `None` = the pool names no topic for dead letters.
    pub dead_letter_topic: Option<String>,
}

/// What a pool works on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    pub group: String,
    /// Sorted, none twice.
    pub topics: Vec<String>,
    pub reset: OffsetReset,
    pub isolation: Isolation,
    /// Milliseconds since 1970 from which a new group begins.
    pub start_from: Option<i64>,
    /// The operator may commit for the group while it has no members.
    pub keeps_position: bool,
}

/// Where consumers begin that find no commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OffsetReset {
    Earliest,
    Latest,
}

/// Kafka's own bound for topics; for groups it has none, and the protocol carries no more than this.
const LONGEST_TOPIC: usize = 249;
const LONGEST_GROUP: usize = 1000;

impl Source {
    /// Whether this can be asked for at all, whatever the brokers say.
    pub fn check(&self) -> Result<(), Unknown> {
        self.broker.settings()?;
        let Wanted { group, topics, .. } = &self.wanted;
        if group.is_empty() || group.len() > LONGEST_GROUP {
            return Err(errors::invalid("the group's name must have 1 to 1000 bytes"));
        }
        let named = topics.iter().chain(&self.dead_letter_topic);
        if topics.is_empty() || named.into_iter().any(|topic| topic.is_empty() || topic.len() > LONGEST_TOPIC) {
            return Err(errors::invalid("name at least one topic; names of topics have 1 to 249 characters"));
        }
        Ok(())
    }
}
