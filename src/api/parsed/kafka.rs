//! `spec.broker.kafka`, understood.

use k8s_openapi::jiff;

use super::super::invalid::Invalid;
use super::super::spec::{self, Isolation, Mechanism, OffsetReset};
use super::broker::Login;

#[derive(Clone, Debug, PartialEq)]
pub struct Kafka {
    /// Their shape is checked by whoever connects.
    pub bootstrap_servers: Vec<String>,
    /// Sorted, none twice.
    pub topics: Vec<String>,
    pub group: String,
    pub offset_reset: OffsetReset,
    pub isolation: Isolation,
    pub encrypted: bool,
    /// Secret with `ca.crt`, `tls.crt`, `tls.key`, all optional.
    pub tls_secret: Option<String>,
    pub sasl: Option<(Mechanism, Login)>,
    /// Milliseconds since 1970.
    pub start_from: Option<i64>,
}

impl Kafka {
    pub fn login(&self) -> Option<&Login> {
        self.sasl.as_ref().map(|(_, login)| login)
    }
}

impl TryFrom<&spec::Kafka> for Kafka {
    type Error = Invalid;

    fn try_from(kafka: &spec::Kafka) -> Result<Self, Invalid> {
        let field = |name: &str| format!("spec.broker.kafka.{name}");
        if kafka.bootstrap_servers.is_empty() || kafka.bootstrap_servers.iter().any(|server| server.contains('@')) {
            return Err(Invalid::new(field("bootstrapServers"), "write host:port, without credentials"));
        }
        if kafka.topics.is_empty() {
            return Err(Invalid::new(field("topics"), "name at least one topic"));
        }
        if kafka.group.is_empty() {
            return Err(Invalid::new(field("group"), "write the name of the workers' consumer group"));
        }
        let start_from = kafka.start_from.as_ref().map(|start| start.timestamp.parse::<jiff::Timestamp>()).transpose();
        let start_from = start_from.map_err(|_| {
            Invalid::new(field("startFrom.timestamp"), "write a time with its zone, such as 2026-11-17T00:00:00Z")
        })?;
        let mut topics = kafka.topics.clone();
        topics.sort();
        topics.dedup();
        Ok(Self {
            bootstrap_servers: kafka.bootstrap_servers.clone(),
            topics,
            group: kafka.group.clone(),
            offset_reset: kafka.offset_reset.unwrap_or_default(),
            isolation: kafka.isolation.unwrap_or_default(),
            encrypted: kafka.tls.is_some(),
            tls_secret: kafka.tls.as_ref().and_then(|tls| Some(tls.secret_ref.as_ref()?.name.clone())),
            sasl: kafka.sasl.as_ref().map(|sasl| (sasl.mechanism, Login::from(&sasl.secret_ref))),
            start_from: start_from.map(jiff::Timestamp::as_millisecond),
        })
    }
}
