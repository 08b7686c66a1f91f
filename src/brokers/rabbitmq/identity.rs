//! Who is asked, and as whom: endpoint, vhost, login and certificates, checked once.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

use super::errors;
use crate::amqp::{self, Address};
use crate::net::addresses::is_link_local;
use crate::net::tls::TlsFiles;
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
    pub tls: TlsFiles,
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
        let address = Address::parse(uri).map_err(errors::invalid_address)?;
        let management = management
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|url| !url.is_empty())
            .map(management_url)
            .collect::<Result<Vec<String>, Unknown>>()?;
        let tls = TlsFiles { ca_pem: ca, client_pem: client };
        let encrypted = address.tls && management.iter().all(|url| url.starts_with("https:"));
        if !encrypted && !tls.is_empty() {
            return Err(errors::invalid_uri(
                "certificates are given, but not every address uses TLS: write amqps:// and https://",
            ));
        }
        let username = username.into();
        if username.is_empty() {
            return Err(errors::invalid_login("the user name is empty: set it in the credentials' Secret"));
        }
        Ok(Self { uri: address.uri(), management, username, password: password.into(), tls })
    }

    pub fn address(&self) -> Result<Address, Unknown> {
        Address::parse(&self.uri).map_err(errors::invalid_address)
    }

    /// What to connect to, under the operator's name.
    pub fn amqp_endpoint(&self) -> amqp::Endpoint {
        amqp::Endpoint {
            uri: self.uri.clone(),
            username: self.username.clone(),
            password: self.password.clone(),
            tls: self.tls.clone(),
            connection_name: "awp-operator".to_owned(),
        }
    }
}

fn management_url(url: &str) -> Result<String, Unknown> {
    let url = parse_url(url, "http://host:15672 or https://host:15671")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(errors::invalid_uri("the management URI must begin with http:// or https://"));
    }
    check_host(&url)?;
    let base = url.as_str().trim_end_matches('/');
    Ok(base.strip_suffix("/api").unwrap_or(base).to_owned())
}

fn parse_url(uri: &str, example: &str) -> Result<Url, Unknown> {
    let url = Url::parse(uri).map_err(|_| errors::invalid_uri(&format!("not a URI: write {example}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(errors::credentials_in_uri());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(errors::invalid_uri(&format!("a ? or # has no meaning in it: write {example}")));
    }
    Ok(url)
}

fn check_host(url: &Url) -> Result<(), Unknown> {
    // IPv6 without its brackets.
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err(errors::invalid_uri("the host is missing: write it after the //"));
    }
    if host.parse::<IpAddr>().is_ok_and(is_link_local) {
        return Err(errors::invalid_uri("link-local addresses are refused: no broker lives there"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(uri: &str, management: &str) -> Result<Identity, Unknown> {
        Identity::new(uri, Some(management), "reader", "pass:w@rd/%", None, None)
    }

    #[test]
    fn uris_are_normalised_so_that_equal_brokers_are_equal() {
        for written in ["amqp://rabbit", "amqp://rabbit/", "amqp://RABBIT:5672/%2f"] {
            assert_eq!(identity(written, "").unwrap().uri, "amqp://rabbit:5672/%2F", "{written}");
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
            ("amqp:///vhost", "", "amqp://host:5672/vhost"),
            ("amqp://rabbit/a/b", "", "%2F"),
            ("amqp://rabbit//", "", "%2F"),
            ("amqp://rabbit/50%", "", "%25"),
            ("amqp://rabbit?password=hunter2", "", "query"),
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
