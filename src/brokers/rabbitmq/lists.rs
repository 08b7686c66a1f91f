//! The management API's answers as types, and joining them. Everything is optional: RabbitMQ
//! leaves out what it has no samples of, and *missing is not zero*.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::belief::{Row, is_running};

/// The cheap path of the bulk list: with both flags and `columns` no statistics are touched.
pub const QUEUE_COUNTS: &str = "disable_stats=true&enable_queue_totals=true\
    &columns=name,type,state,members,online,messages_ready,messages_unacknowledged";

/// The same with what dead letters and consumers are decided by; read rarely.
pub const QUEUE_SETTINGS: &str = "disable_stats=true&enable_queue_totals=true\
    &columns=name,type,state,members,online,messages_ready,messages_unacknowledged,arguments,policy,operator_policy";

pub const EXCHANGES: &str = "disable_stats=true&columns=name,type";
pub const BINDINGS: &str = "columns=source,destination,destination_type,routing_key";

pub const CHANNELS: &str = "columns=name,connection_details.name,messages_unacknowledged";
pub const CONNECTIONS: &str = "columns=name,user_provided_name";

/// While nodes come and go RabbitMQ's rows are odd: the clustered list says `state` and `online` twice, as the queue's own
/// node and as the asked one see it ("minority" and "running" where a majority is lost), and a field may hold a word instead
/// of a number. Of two values the worse counts; a strange one is missing; no row spoils the others.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    pub name: String,
    pub kind: Option<String>,
    pub state: Option<String>,
    pub members: Option<Vec<String>>,
    pub online: Option<Vec<String>>,
    pub messages_ready: Option<u64>,
    pub messages_unacknowledged: Option<u64>,
    pub arguments: Option<Arguments>,
    pub policy: Option<String>,
    pub operator_policy: Option<String>,
}

impl<'de> Deserialize<'de> for Queue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Queue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a queue")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Queue, A::Error> {
                let mut queue = Queue::default();
                while let Some((field, value)) = map.next_entry::<String, Value>()? {
                    queue.set(&field, value);
                }
                Ok(queue)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl Queue {
    fn set(&mut self, field: &str, value: Value) {
        let text = || value.as_str().map(str::to_owned);
        match field {
            "name" => self.name = text().unwrap_or_default(),
            "type" => self.kind = text(),
            "state" if self.state.as_deref().is_none_or(is_running) => self.state = text(),
            "members" => self.members = serde_json::from_value(value).ok(),
            "online" => {
                let online: Option<Vec<String>> = serde_json::from_value(value).ok();
                let fewer = |known: &Vec<String>| online.as_ref().is_none_or(|online| online.len() < known.len());
                if self.online.as_ref().is_none_or(fewer) {
                    self.online = online;
                }
            }
            "messages_ready" => self.messages_ready = value.as_u64(),
            "messages_unacknowledged" => self.messages_unacknowledged = value.as_u64(),
            "arguments" => self.arguments = Some(value.into()),
            "policy" => self.policy = text(),
            "operator_policy" => self.operator_policy = text(),
            _ => {}
        }
    }

    pub fn row(&self) -> Row {
        Row {
            ready: self.messages_ready,
            unacked: self.messages_unacknowledged,
            state: self.state.clone(),
            all_online: match (&self.members, &self.online) {
                (Some(members), Some(online)) => Some(online.len() >= members.len()),
                (Some(members), None) if !members.is_empty() => Some(false),
                _ => None,
            },
            queue_type: self.kind.clone(),
        }
    }

    /// Messages in it; `None` unless both parts are given: `messages` counts more than these two.
    pub fn depth(&self) -> Option<u64> {
        Some(self.messages_ready? + self.messages_unacknowledged?)
    }

    pub fn has_single_active_consumer(&self) -> bool {
        self.argument("x-single-active-consumer").and_then(Value::as_bool).unwrap_or(false)
    }

    pub fn argument(&self, key: &str) -> Option<&Value> {
        self.arguments.as_ref()?.0.get(key)
    }
}

/// An AMQP table as JSON; an empty one is written `[]` by some versions.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(from = "Value")]
pub struct Arguments(pub Map<String, Value>);

impl From<Value> for Arguments {
    fn from(value: Value) -> Self {
        match value {
            Value::Object(map) => Self(map),
            _ => Self::default(),
        }
    }
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Policy {
    pub name: String,
    #[serde(default)]
    pub definition: Arguments,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Exchange {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Binding {
    #[serde(default)]
    pub source: String,
    pub destination: String,
    pub destination_type: String,
    #[serde(default)]
    pub routing_key: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Whoami {
    /// A list since 3.9, a comma-separated string before.
    #[serde(default)]
    tags: Value,
}

impl Whoami {
    /// `monitoring` and `administrator` see every user's channels and connections; `management`
    /// sees only its own, without an error.
    pub fn sees_everybody(&self) -> bool {
        let is_enough = |tag: &str| matches!(tag.trim(), "monitoring" | "administrator");
        match &self.tags {
            Value::Array(tags) => tags.iter().filter_map(Value::as_str).any(is_enough),
            Value::String(tags) => tags.split(',').any(is_enough),
            _ => false,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct Channel {
    pub connection_details: Option<ConnectionDetails>,
    pub messages_unacknowledged: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct ConnectionDetails {
    pub name: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Connection {
    pub name: Option<String>,
    pub user_provided_name: Option<String>,
}

/// Unacked by the name a client gave its connection; `None` if the join is not complete.
///
/// A channel without statistics yet, or one that holds tasks on a connection that is not in the
/// list, could be any worker's: such a look says nothing about the workers that are absent.
pub fn unacked_by_connection(channels: &[Channel], connections: &[Connection]) -> Option<BTreeMap<String, u64>> {
    let names: HashMap<&str, Option<&str>> = connections
        .iter()
        .filter_map(|connection| Some((connection.name.as_deref()?, connection.user_provided_name.as_deref())))
        .collect();
    let mut counts = BTreeMap::new();
    for channel in channels {
        let peer = channel.connection_details.as_ref().and_then(|details| details.name.as_deref());
        match (peer.and_then(|peer| names.get(peer)), channel.messages_unacknowledged) {
            (Some(Some(name)), Some(unacked)) => *counts.entry((*name).to_owned()).or_insert(0) += unacked,
            (Some(None), Some(_)) | (None, Some(0)) => {}
            (_, None) | (None, Some(_)) => return None,
        }
    }
    // Connected without a channel: known to hold nothing.
    for name in names.into_values().flatten() {
        counts.entry(name.to_owned()).or_insert(0);
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<T: for<'de> Deserialize<'de>>(json: Value) -> T {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_missing_count_is_not_zero() {
        let queue: Queue = parse(serde_json::json!({"name": "q", "state": "running", "arguments": []}));
        assert_eq!((queue.row().ready, queue.row().unacked, queue.depth()), (None, None, None));
    }

    #[test]
    fn a_strange_field_is_missing_and_spoils_nothing_else() {
        let queues: Vec<Queue> = parse(serde_json::json!([
            {"name": "odd", "messages_ready": "unknown", "online": "none", "state": {}, "members": null},
            {"name": "even", "messages_ready": 3, "messages_unacknowledged": 1},
        ]));
        assert_eq!(queues[0].messages_ready, None);
        assert_eq!(queues[1].depth(), Some(4));
    }

    /// As a node that has lost the majority writes it (4.0.5).
    #[test]
    fn of_a_field_that_is_said_twice_the_worse_counts() {
        let text = r#"[{"members":["a","b","c"],"messages_ready":100,"name":"q","online":["c"],"online":["a","b","c"],
            "state":"minority","state":"running","type":"quorum"},
            {"members":["a","b","c"],"name":"r","online":["a","b","c"],"online":["c"],"state":"running","state":"down"}]"#;
        let queues: Vec<Queue> = serde_json::from_str(text).unwrap();
        let seen = queues.iter().map(|queue| (queue.state.as_deref(), queue.row().all_online));
        assert_eq!(seen.collect::<Vec<_>>(), [(Some("minority"), Some(false)), (Some("down"), Some(false))]);
    }

    #[test]
    fn an_offline_member_is_seen() {
        let queue: Queue = parse(serde_json::json!({"name": "q", "members": ["a", "b", "c"], "online": ["a", "c"]}));
        assert_eq!(queue.row().all_online, Some(false));
    }

    #[test]
    fn only_monitoring_and_administrator_see_everybody() {
        for (tags, sees) in [
            (serde_json::json!(["management"]), false),
            (serde_json::json!(["management", "monitoring"]), true),
            (serde_json::json!(["administrator"]), true),
            (serde_json::json!("management,monitoring"), true),
            (serde_json::json!("management"), false),
            (serde_json::json!([]), false),
        ] {
            let whoami: Whoami = parse(serde_json::json!({"name": "u", "tags": tags.clone()}));
            assert_eq!(whoami.sees_everybody(), sees, "{tags}");
        }
    }

    fn channel(peer: &str, unacked: Option<u64>) -> Channel {
        Channel {
            connection_details: Some(ConnectionDetails { name: Some(peer.to_owned()) }),
            messages_unacknowledged: unacked,
        }
    }

    fn connection(peer: &str, name: Option<&str>) -> Connection {
        Connection { name: Some(peer.to_owned()), user_provided_name: name.map(str::to_owned) }
    }

    #[test]
    fn channels_of_one_connection_are_added_and_idle_connections_count_zero() {
        let counts = unacked_by_connection(
            &[channel("1", Some(2)), channel("1", Some(3)), channel("2", Some(0)), channel("3", Some(9))],
            &[
                connection("1", Some("pod-a")),
                connection("2", Some("pod-b")),
                connection("3", None),
                connection("4", Some("pod-c")),
            ],
        );
        let expected = [("pod-a", 5), ("pod-b", 0), ("pod-c", 0)].map(|(name, count)| (name.to_owned(), count));
        assert_eq!(counts, Some(BTreeMap::from(expected)));
    }

    #[test]
    fn an_incomplete_join_says_nothing() {
        let known = [connection("1", Some("pod-a"))];
        assert_eq!(unacked_by_connection(&[channel("1", None)], &known), None);
        assert_eq!(unacked_by_connection(&[channel("2", Some(1))], &known), None);
        assert!(unacked_by_connection(&[channel("2", Some(0))], &known).is_some());
    }
}
