//! What can go wrong with Kafka, in the words a user sees: one function per reason.
//!
//! Reasons are static; messages say what failed and what to do, and hold names the user gave, never a
//! secret and never a byte that a server sent.

use super::identity::Identity;
use crate::kafka::{Code, Error};
use crate::scaling::observation::{ErrorClass, Unknown};

fn transient(reason: &'static str, message: String) -> Unknown {
    Unknown { class: ErrorClass::Transient, reason, message }
}

fn misconfigured(reason: &'static str, message: String) -> Unknown {
    Unknown { class: ErrorClass::Misconfigured, reason, message }
}

pub fn invalid(what: &str) -> Unknown {
    misconfigured("InvalidSpec", what.to_owned())
}

pub fn tls_invalid(what: &str) -> Unknown {
    misconfigured("TlsInvalid", format!("{what}: correct the pool's TLS Secret"))
}

/// Nothing came of asking `address`.
pub fn failed(error: &Error, address: &str, identity: &Identity) -> Unknown {
    let hint = match (identity.encrypted, &identity.login) {
        (false, _) => "; a listener that wants TLS or a login does that: set tls, sasl, or another port",
        (true, None) => "; a listener that wants a login does that: set sasl, or another port",
        (true, Some(_)) => "",
    };
    match error {
        Error::Unreachable(why) if why.contains("closed the connection") => {
            transient("BrokerUnreachable", format!("cannot read Kafka at {address}: {why}{hint}"))
        }
        Error::Unreachable(_) | Error::TimedOut(_) => {
            transient("BrokerUnreachable", format!("cannot read Kafka at {address}: {error}"))
        }
        Error::Tls(why) => misconfigured("TlsFailed", format!("no trusted TLS connection to {address}: {why}")),
        Error::Forbidden => misconfigured("InvalidAddress", format!("{address}: {error}")),
        Error::LoginRefused | Error::NotTheBroker => misconfigured(
            "LoginRefused",
            format!(
                "Kafka at {address} refuses user {:?}: check user name, password and mechanism in the Secret that sasl \
                 names",
                identity.user()
            ),
        ),
        Error::MechanismRefused(offered) => {
            let known: Vec<&str> = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
                .into_iter()
                .filter(|name| offered.iter().any(|it| it == name))
                .collect();
            let known = if known.is_empty() {
                "no login that is known here (remove sasl, or use another port)".to_owned()
            } else {
                known.join(", ")
            };
            misconfigured(
                "MechanismRefused",
                format!("Kafka at {address} does not take this sasl.mechanism there; it offers {known}"),
            )
        }
        Error::Unsupported(what) => misconfigured(
            "BrokerUnsupported",
            format!("Kafka at {address} has no {what} that is understood here: versions 2.4 to 4.x are"),
        ),
        Error::NotKafka(why) => misconfigured(
            "NotKafka",
            format!("{address} does not answer as a Kafka broker ({why}): check the port, and whether it wants tls"),
        ),
        Error::Refused(code) => {
            transient("BrokerUnavailable", format!("Kafka at {address} answers {code}; asking again"))
        }
    }
}

/// The coordinator of a group refuses to tell.
pub fn group(code: Code, group: &str, identity: &Identity) -> Unknown {
    match code {
        Code::GROUP_FORBIDDEN => misconfigured(
            "PermissionMissing",
            format!(
                "user {:?} may not look at group {group:?}: kafka-acls --add --allow-principal User:{} --operation \
                 Describe --group {group}",
                identity.user(),
                identity.user()
            ),
        ),
        Code::TOPIC_FORBIDDEN => forbidden_topic("of the pool", identity),
        code => transient(
            "CoordinatorMoved",
            format!("the coordinator of group {group:?} is moving or loading ({code}); asking again"),
        ),
    }
}

pub fn topic(code: Code, topic: &str, identity: &Identity) -> Unknown {
    match code {
        Code::UNKNOWN_TOPIC_OR_PARTITION => misconfigured(
            "TopicMissing",
            format!(
                "there is no topic {topic:?}, or user {:?} may not see it: create it, correct topics, or allow Describe on \
                 it",
                identity.user()
            ),
        ),
        Code::TOPIC_FORBIDDEN => forbidden_topic(topic, identity),
        code => transient("LeaderMoved", format!("topic {topic:?} has no leader to ask now ({code}); asking again")),
    }
}

fn forbidden_topic(topic: &str, identity: &Identity) -> Unknown {
    misconfigured(
        "PermissionMissing",
        format!(
            "user {:?} may not look at topic {topic:?}: kafka-acls --add --allow-principal User:{} --operation Describe \
             --topic {topic}",
            identity.user(),
            identity.user()
        ),
    )
}

/// Not everything that was asked for was answered.
pub fn incomplete(topic: &str, partition: i32) -> Unknown {
    Unknown {
        class: ErrorClass::Doubtful,
        reason: "PartitionMissing",
        message: format!("the answer lacks partition {partition} of topic {topic:?}; asking again"),
    }
}

pub fn expired(group: &str) -> Unknown {
    misconfigured(
        "CommittedOffsetsExpired",
        format!(
            "commits of group {group:?} vanished: they expired (offsets.retention.minutes after the group was left), or \
             somebody deleted them. Where it goes on is for a person to say: kafka-consumer-groups --group {group} \
             --reset-offsets --to-datetime … --execute --topic …"
        ),
    )
}

pub fn start_refused(group: &str) -> Unknown {
    misconfigured(
        "StartFromRefused",
        format!(
            "group {group:?} has commits or members already, so startFrom cannot set where it begins: name a new group, \
             or remove startFrom"
        ),
    )
}

/// The group's position cannot be kept.
pub fn position(error: &Error, group: &str, identity: &Identity) -> Unknown {
    match error {
        Error::Refused(Code::GROUP_FORBIDDEN | Code::TOPIC_FORBIDDEN) => misconfigured(
            "PermissionMissing",
            format!(
                "user {:?} may not commit for group {group:?} while it has no workers, so tasks can be skipped or done \
                 again after it was idle for days: allow Read on the group and on its topics",
                identity.user()
            ),
        ),
        error => transient("PositionNotKept", format!("the position of group {group:?} was not committed: {error}")),
    }
}
