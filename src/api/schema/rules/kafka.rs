//! `spec.broker.kafka`.

use kube::core::Rule;

use super::{forbidden, required};
use crate::api::uri;

pub fn kafka() -> Vec<Rule> {
    vec![
        required("self.bootstrapServers.size() > 0", "name at least one broker as host:port")
            .field_path(".bootstrapServers"),
        forbidden(
            format!("self.bootstrapServers.all(server, server.matches(r'{}'))", uri::KAFKA_BROKER),
            "write host:port, such as kafka-bootstrap.messaging:9093: no scheme, no credentials",
        )
        .field_path(".bootstrapServers"),
        required("self.topics.size() > 0", "name at least one topic").field_path(".topics"),
        forbidden(
            "self.topics.all(topic, topic.matches('^[a-zA-Z0-9._-]+$') && topic != '.' && topic != '..')",
            "write a topic's name: letters, digits, dots, underscores and hyphens; no pattern",
        )
        .field_path(".topics"),
        forbidden("self.topics.all(topic, self.topics.exists_one(other, other == topic))", "name each topic once")
            .field_path(".topics"),
        forbidden(
            format!("!has(self.startFrom) || self.startFrom.timestamp.matches(r'{}')", uri::TIMESTAMP),
            "write a time with its zone, such as 2026-11-17T00:00:00Z",
        )
        .field_path(".startFrom.timestamp"),
    ]
}
