//! `amqp[s]://host[:port][/vhost]`, read strictly: what cannot be meant is refused, with the remedy.

use std::net::{IpAddr, Ipv6Addr};

use super::names::LONGEST_NAME;
use crate::net::addresses::is_link_local;
use crate::net::percent;

/// Where a broker is. Never holds credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    pub tls: bool,
    /// A name or an address, in lower case; an IPv6 address without brackets.
    pub host: String,
    pub port: u16,
    pub vhost: String,
}

/// Does not repeat the URI: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("the URI must look like amqp://host:5672/vhost or amqps://host:5671/vhost")]
    Form,
    #[error(
        "the URI holds credentials: take them out and give them as files `username` and `password` (--credentials-dir, AWP_CREDENTIALS_DIR) or as AWP_USERNAME and AWP_PASSWORD"
    )]
    Credentials,
    #[error("the URI must not have a query or fragment (`?` in a virtual host's name is written %3F, `#` is %23)")]
    Query,
    #[error("the URI's virtual host is one path segment: `/` in its name is written %2F")]
    Vhost,
    #[error("the URI's virtual host holds a % that is not an escape: a percent sign is written %25")]
    Escape,
    #[error("the virtual host's name is longer than the {LONGEST_NAME} bytes that AMQP carries")]
    VhostTooLong,
    #[error("link-local addresses are refused: no broker lives there")]
    LinkLocal,
}

impl Address {
    /// A missing or empty path means the virtual host `/`. (Strictly, an empty path would mean a
    /// virtual host without a name, which nobody has and everybody writes.)
    pub fn parse(uri: &str) -> Result<Self, AddressError> {
        let (tls, rest) = match (uri.strip_prefix("amqp://"), uri.strip_prefix("amqps://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(AddressError::Form),
        };
        // Before anything else, so that no other message can be about a part of a password.
        if rest.contains('@') {
            return Err(AddressError::Credentials);
        }
        if rest.contains(['?', '#']) {
            return Err(AddressError::Query);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = host_and_port(authority)?;
        if host.parse::<IpAddr>().is_ok_and(is_link_local) {
            return Err(AddressError::LinkLocal);
        }
        let vhost = match path {
            "" => "/".to_owned(),
            path if path.contains('/') => return Err(AddressError::Vhost),
            path => percent::decode(path).ok_or(AddressError::Escape)?,
        };
        if vhost.len() > LONGEST_NAME {
            return Err(AddressError::VhostTooLong);
        }
        Ok(Self { tls, host, port: port.unwrap_or(if tls { 5671 } else { 5672 }), vhost })
    }

    /// The same for every way to write this address.
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

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), AddressError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, after) = bracketed.split_once(']').ok_or(AddressError::Form)?;
            let host: Ipv6Addr = host.parse().map_err(|_| AddressError::Form)?;
            match after {
                "" => (host.to_string(), None),
                after => (host.to_string(), Some(after.strip_prefix(':').ok_or(AddressError::Form)?)),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host.to_ascii_lowercase(), Some(port)),
            None => (authority.to_ascii_lowercase(), None),
        },
    };
    let valid = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || !host.chars().all(valid) {
        return Err(AddressError::Form);
    }
    let port = port.map(|port| port.parse().ok().filter(|&port| port != 0).ok_or(AddressError::Form)).transpose()?;
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_understood() {
        for (uri, tls, host, port, vhost) in [
            ("amqp://rabbit", false, "rabbit", 5672, "/"),
            ("amqp://rabbit/", false, "rabbit", 5672, "/"),
            ("amqps://rabbit.mq.svc/agents", true, "rabbit.mq.svc", 5671, "agents"),
            ("amqp://10.0.0.1:5673/%2F", false, "10.0.0.1", 5673, "/"),
            ("amqp://[::1]:5673/a%20b", false, "::1", 5673, "a b"),
            ("amqps://[fd00::1]", true, "fd00::1", 5671, "/"),
            ("amqps://[FD00:0::1]", true, "fd00::1", 5671, "/"),
            ("amqp://Rabbit/team%20a%2fb", false, "rabbit", 5672, "team a/b"),
        ] {
            let expected = Address { tls, host: host.into(), port, vhost: vhost.into() };
            assert_eq!(Address::parse(uri).as_ref(), Ok(&expected), "{uri}");
            assert_eq!(Address::parse(&expected.uri()), Ok(expected), "{uri}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_its_reason() {
        for form in [
            "",
            "rabbit",
            "http://rabbit",
            "amqp://",
            "amqp:///v",
            "amqp://h:",
            "amqp://h:0",
            "amqp://h:70000",
            "amqp://h:1:2",
            "amqp://::1",
            "amqp://[h]",
            "amqp://[::1]x",
            "amqp://a b",
        ] {
            assert_eq!(Address::parse(form), Err(AddressError::Form), "{form}");
        }
        for escape in ["amqp://h/%zz", "amqp://h/%2", "amqp://h/50%"] {
            assert_eq!(Address::parse(escape), Err(AddressError::Escape), "{escape}");
        }
        assert_eq!(Address::parse("amqp://h?heartbeat=1"), Err(AddressError::Query));
        for vhost in ["amqp://h/a/b", "amqp://h//"] {
            assert_eq!(Address::parse(vhost), Err(AddressError::Vhost), "{vhost}");
        }
        for local in ["amqp://169.254.169.254", "amqp://[fe80::1]", "amqp://[::ffff:169.254.169.254]/v"] {
            assert_eq!(Address::parse(local), Err(AddressError::LinkLocal), "{local}");
        }
        assert!(Address::parse(&format!("amqp://h/{}", "v".repeat(255))).is_ok());
        assert_eq!(Address::parse(&format!("amqp://h/{}", "v".repeat(256))), Err(AddressError::VhostTooLong));
    }

    #[test]
    fn no_message_repeats_a_password() {
        for uri in ["amqp://u:hunter2@h", "amqp://u:hunter2?@h/x", "amqp://u:hunt/er2@h", "http://u:hunter2@h"] {
            let error = Address::parse(uri).unwrap_err().to_string();
            assert!(!error.contains("hunt"), "{error}");
        }
    }
}
