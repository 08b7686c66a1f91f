//! Who is asked, and as whom: addresses, login and certificates.

use std::sync::Arc;
use std::time::Duration;

use super::errors;
use crate::kafka::{Login, Settings};
use crate::net::addresses::is_link_local;
use crate::net::tls::{self, TlsFiles};
use crate::scaling::observation::Unknown;

/// Seconds from the first packet to the login, and for one request: a broker that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(5);

/// A cluster and a login: pools that share it share one poller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// `host:port`, tried in this order.
    pub bootstrap: Vec<String>,
    pub encrypted: bool,
    pub files: TlsFiles,
    pub login: Option<Login>,
}

impl Identity {
    /// For messages and metrics.
    pub fn address(&self) -> String {
        self.bootstrap.join(",")
    }

    pub fn user(&self) -> &str {
        self.login.as_ref().map_or("ANONYMOUS", |login| login.user.as_str())
    }

    pub fn settings(&self) -> Result<Settings, Unknown> {
        let bootstrap = self.bootstrap.iter().map(|address| host_and_port(address));
        let bootstrap = bootstrap.collect::<Option<Vec<_>>>().filter(|bootstrap| !bootstrap.is_empty());
        let bootstrap =
            bootstrap.ok_or_else(|| errors::invalid("write bootstrapServers as host:port, such as kafka:9092"))?;
        let config = self.encrypted.then(|| tls::client_config(&self.files)).transpose();
        let config = config.map_err(|wrong| errors::tls_invalid(&wrong.to_string()))?;
        Ok(Settings {
            bootstrap,
            tls: config.map(Arc::new),
            login: self.login.clone(),
            client_id: "awp-operator".to_owned(),
            connect_limit: LIMIT,
            request_limit: LIMIT,
            refuse: is_link_local,
            tls_words: tls::failure,
        })
    }
}

/// `host:port`; IPv6 addresses stand in brackets.
fn host_and_port(address: &str) -> Option<(String, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bare.or_else(|| (!host.contains(':')).then_some(host))?;
    let usable = !host.is_empty() && !host.contains(['/', '@', ' ']);
    usable.then_some((host.to_owned(), port.parse().ok().filter(|port| *port > 0)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port_and_nothing_else() {
        for (address, expected) in [
            ("kafka:9092", Some(("kafka", 9092))),
            ("[::1]:9092", Some(("::1", 9092))),
            ("kafka", None),
            ("kafka:0", None),
            ("::1:9092", None),
            (":9092", None),
            ("kafka://kafka:9092", None),
            ("user@kafka:9092", None),
        ] {
            let expected = expected.map(|(host, port): (&str, u16)| (host.to_owned(), port));
            assert_eq!(host_and_port(address), expected, "{address}");
        }
    }
}
