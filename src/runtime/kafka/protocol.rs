//! Which group protocol to speak.
//!
//! That of Kafka 4 (`group.protocol=consumer`, KIP-848) moves one partition without stopping the
//! others, and a member that finishes a long task holds up nobody but who waits for its partition. The
//! classic one (with cooperative-sticky) makes the whole group wait for it.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode;

use crate::kafka;
use crate::librdkafka::Connection;
use crate::net::{addresses, tls};

/// The request that members of the new protocol send, in the version that librdkafka needs: that of
/// Kafka 4.0, where the protocol is complete.
const CONSUMER_GROUP_HEARTBEAT: (i16, i16) = (68, 1);
/// For one bootstrap address.
const LIMIT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupProtocol {
    /// The new one; where the brokers do not have it, the classic one.
    Auto,
    Consumer,
    Classic,
}

/// Whether the brokers know the new protocol. librdkafka does not tell: its member of the new
/// protocol waits for ever for a broker that does not know it. Every broker says what it knows
/// before any login.
pub async fn known(connection: &Connection) -> Result<bool, String> {
    let bootstrap = connection.servers().map_err(|error| error.to_string())?;
    let encryption = if connection.encrypted() {
        let files = tls::TlsFiles::read(connection.tls_folder.as_deref());
        let config = files.and_then(|files| tls::client_config(&files)).map_err(|error| error.to_string())?;
        Some(Arc::new(config))
    } else {
        None
    };
    let settings = kafka::Settings {
        bootstrap: bootstrap.clone(),
        tls: encryption,
        login: None,
        client_id: connection.name.clone(),
        connect_limit: LIMIT,
        request_limit: LIMIT,
        refuse: addresses::is_link_local,
        tls_words: tls::failure,
    };
    let mut failures = Vec::new();
    for (host, port) in &bootstrap {
        match kafka::Connection::open(host, *port, &settings).await {
            Ok(broker) => return Ok(broker.knows(CONSUMER_GROUP_HEARTBEAT.0, CONSUMER_GROUP_HEARTBEAT.1)),
            Err(error) => failures.push(format!("{host}:{port}: {error}")),
        }
    }
    Err(format!("no answer from Kafka: {}", failures.join("; ")))
}

/// Brokers that know the new protocol and have it turned off say so when it is spoken.
pub fn refused(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::UnsupportedVersion | RDKafkaErrorCode::UnsupportedFeature)
}
