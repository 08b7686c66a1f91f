//! Who is asked, and as whom: endpoint, vhost, login and certificates, checked once.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

use super::addresses::is_link_local;
use super::{errors, percent};
use crate::scaling::observation::Unknown;

/// Endpoint and credentials: pools that share it share one poller.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// `amqp[s]://host:port/vhost`, without credentials; the vhost is part of the identity
    /// because an AMQP connection is opened to one.
    pub uri: String,
    /// `http[s]://host:port`, tried in this order; empty = none given.
    pub management: Vec<String>,
    pub username: String,
    pub password: String,
    /// PEM of a private CA; `None` = the system's roots.
    pub ca: Option<Vec<u8>>,
    /// PEM of a client certificate and its key.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("uri", &self.uri).field("username", &self.username).finish_non_exhaustive()
    }
}

impl Identity {
    /// Checks and normalises. `management` is one URL or several separated by commas.
    ///
    /// Credentials come apart from the URIs: unescaped characters in passwords break URIs, and
    /// URIs end up in logs. No message repeats any of the arguments that could hold a secret.
    pub fn new(
        uri: &str,
        management: Option<&str>,
        username: impl Into<String>,
        password: impl Into<String>,
        ca: Option<Vec<u8>>,
        client: Option<(Vec<u8>, Vec<u8>)>,
    ) -> Result<Self, Unknown> {
        let endpoint = Endpoint::parse(uri)?;
        let management = management
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|url| !url.is_empty())
            .map(management_url)
            .collect::<Result<Vec<String>, Unknown>>()?;
        let certificates = ca.is_some() || client.is_some();
        if certificates && !(endpoint.tls && management.iter().all(|url| url.starts_with("https:"))) {
            return Err(errors::invalid_uri(
                "certificates are given, but not every address uses TLS: write amqps:// and https://",
            ));
        }
        let username = username.into();
        if username.is_empty() {
            return Err(errors::invalid_login("the user name is empty: set it in the credentials' Secret"));
        }
        Ok(Self { uri: endpoint.uri(), management, username, password: password.into(), ca, client })
    }

    pub fn endpoint(&self) -> Result<Endpoint, Unknown> {
        Endpoint::parse(&self.uri)
    }
}

/// An AMQP URI taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    pub tls: bool,
    pub vhost: String,
}

impl Endpoint {
    /// No path, and a bare `/`, mean the vhost `/`: clients disagree about the latter, and no
    /// broker has a vhost without a name.
    pub fn parse(uri: &str) -> Result<Self, Unknown> {
        let url = parse_url(uri, "amqp://host:5672/vhost or amqps://host:5671/vhost")?;
        let tls = match url.scheme() {
            "amqp" => false,
            "amqps" => true,
            _ => return Err(errors::invalid_uri("the broker's URI must begin with amqp:// or amqps://")),
        };
        let segment = url.path().trim_start_matches('/');
        if segment.contains('/') || url.path().starts_with("//") {
            return Err(errors::invalid_uri("a / in the vhost's name must be written %2F, as in amqp://host:5672/%2F"));
        }
        let vhost = percent::decode(segment).ok_or_else(|| {
            errors::invalid_uri("the vhost holds a % that is not an escape: write %25 for a percent sign")
        })?;
        if vhost.len() > super::LONGEST_NAME {
            return Err(errors::invalid_uri("the vhost's name is longer than the 255 bytes that AMQP carries"));
        }
        Ok(Self {
            host: host(&url)?,
            port: url.port().unwrap_or(if tls { 5671 } else { 5672 }),
            tls,
            vhost: if vhost.is_empty() { "/".to_owned() } else { vhost },
        })
    }

    pub fn uri(&self) -> String {
        let scheme = if self.tls { "amqps" } else { "amqp" };
        format!("{scheme}://{}/{}", self.authority(), percent::encode(&self.vhost))
    }

    /// `host:port`, for messages and to tell brokers apart.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

fn management_url(url: &str) -> Result<String, Unknown> {
    let url = parse_url(url, "http://host:15672 or https://host:15671")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(errors::invalid_uri("the management URI must begin with http:// or https://"));
    }
    host(&url)?;
    let base = url.as_str().trim_end_matches('/');
    Ok(base.strip_suffix("/api").unwrap_or(base).to_owned())
}

fn parse_url(uri: &str, example: &str) -> Result<Url, Unknown> {
    let url = Url::parse(uri).map_err(|_| errors::invalid_uri(&format!("not a URI: write {example}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(errors::invalid_uri(
            "credentials belong in a Secret, not in the URI: remove everything before the @",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(errors::invalid_uri(&format!("a ? or # has no meaning in it: write {example}")));
    }
    Ok(url)
}

/// The bare host: IPv6 without its brackets.
fn host(url: &Url) -> Result<String, Unknown> {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err(errors::invalid_uri("the host is missing: write it after the //"));
    }
    if host.parse::<IpAddr>().is_ok_and(is_link_local) {
        return Err(errors::invalid_uri("link-local addresses are refused: no broker lives there"));
    }
    percent::decode(&host.to_ascii_lowercase()).ok_or_else(|| errors::invalid_uri("the host's name is not readable"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(uri: &str, management: &str) -> Result<Identity, Unknown> {
        Identity::new(uri, Some(management), "reader", "pass:w@rd/%", None, None)
    }

    #[test]
    fn uris_are_normalised_so_that_equal_brokers_are_equal() {
        for (written, normal, vhost) in [
            ("amqp://rabbit", "amqp://rabbit:5672/%2F", "/"),
            ("amqp://rabbit/", "amqp://rabbit:5672/%2F", "/"),
            ("amqp://rabbit:5672/%2f", "amqp://rabbit:5672/%2F", "/"),
            ("amqps://rabbit/agents", "amqps://rabbit:5671/agents", "agents"),
            ("amqp://rabbit/team%20a%2Fb", "amqp://rabbit:5672/team%20a%2Fb", "team a/b"),
            ("amqp://[::1]:5673/x", "amqp://[::1]:5673/x", "x"),
            ("amqp://10.1.2.3/x", "amqp://10.1.2.3:5672/x", "x"),
        ] {
            let endpoint = Endpoint::parse(written).unwrap();
            assert_eq!((endpoint.uri().as_str(), endpoint.vhost.as_str()), (normal, vhost), "{written}");
            assert_eq!(Endpoint::parse(normal).unwrap(), endpoint, "{written}");
        }
    }

    #[test]
    fn management_urls_keep_a_path_prefix_and_lose_what_we_add_ourselves() {
        let several = identity("amqp://r", "http://a:15672, http://b:15672/rabbit/ ,https://c/api/").unwrap();
        assert_eq!(several.management, ["http://a:15672", "http://b:15672/rabbit", "https://c"]);
        assert!(identity("amqp://r", "").unwrap().management.is_empty());
    }

    #[test]
    fn every_refusal_says_what_to_write_and_repeats_no_secret() {
        for (uri, management, remedy) in [
            ("rabbit:5672", "", "amqp://"),
            ("", "", "amqp://host:5672/vhost"),
            ("http://rabbit", "", "amqp://"),
            ("amqp://u:hunter2@rabbit", "", "Secret"),
            ("amqp://hunter2@rabbit", "", "Secret"),
            ("amqp:///vhost", "", "host is missing"),
            ("amqp://rabbit/a/b", "", "%2F"),
            ("amqp://rabbit//", "", "%2F"),
            ("amqp://rabbit/50%", "", "%25"),
            ("amqp://rabbit?password=hunter2", "", "no meaning"),
            ("amqp://169.254.169.254", "", "link-local"),
            ("amqp://rabbit", "rabbit:15672", "http"),
            ("amqp://rabbit", "ftp://rabbit", "https://"),
            ("amqp://rabbit", "http://u:hunter2@rabbit:15672", "Secret"),
            ("amqp://rabbit", "http://[fe80::1]:15672", "link-local"),
        ] {
            let refused = identity(uri, management).unwrap_err();
            assert!(refused.message.contains(remedy), "{uri} {management}: {refused}");
            assert!(!refused.to_string().contains("hunter2"), "{refused}");
            assert_eq!(refused.reason, "InvalidUri");
        }
    }

    #[test]
    fn a_vhost_longer_than_amqp_carries_is_refused() {
        assert!(Endpoint::parse(&format!("amqp://rabbit/{}", "v".repeat(255))).is_ok());
        assert!(Endpoint::parse(&format!("amqp://rabbit/{}", "v".repeat(256))).is_err());
    }

    #[test]
    fn certificates_demand_tls_everywhere() {
        for (uri, management, accepted) in [
            ("amqps://r", "https://r:15671", true),
            ("amqps://r", "", true),
            ("amqp://r", "https://r:15671", false),
            ("amqps://r", "http://r:15672", false),
        ] {
            let made = Identity::new(uri, Some(management), "u", "p", Some(b"pem".to_vec()), None);
            assert_eq!(made.is_ok(), accepted, "{uri} {management}");
        }
    }

    #[test]
    fn an_identity_never_shows_its_password() {
        let shown = format!("{:?}", identity("amqp://rabbit", "").unwrap());
        assert!(shown.contains("reader") && !shown.contains("w@rd"), "{shown}");
    }
}
