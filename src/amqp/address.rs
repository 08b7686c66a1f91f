//! `amqp[s]://host[:port][/vhost]`, read strictly: what cannot be meant is refused, with the remedy.

/// Where a broker is. Never holds credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub tls: bool,
    /// A name or an address; an IPv6 address without brackets.
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
        let vhost = match path {
            "" => "/".to_owned(),
            path if path.contains('/') => return Err(AddressError::Vhost),
            path => percent_decode(path).ok_or(AddressError::Form)?,
        };
        Ok(Self { tls, host, port: port.unwrap_or(if tls { 5671 } else { 5672 }), vhost })
    }
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), AddressError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, after) = bracketed.split_once(']').ok_or(AddressError::Form)?;
            let _: std::net::Ipv6Addr = host.parse().map_err(|_| AddressError::Form)?;
            match after {
                "" => (host, None),
                after => (host, Some(after.strip_prefix(':').ok_or(AddressError::Form)?)),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let valid = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || !host.chars().all(valid) {
        return Err(AddressError::Form);
    }
    let port = port.map(|port| port.parse().ok().filter(|&port| port != 0).ok_or(AddressError::Form)).transpose()?;
    Ok((host.to_owned(), port))
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
                u8::from_str_radix(digits, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
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
        ] {
            let expected = Address { tls, host: host.into(), port, vhost: vhost.into() };
            assert_eq!(Address::parse(uri), Ok(expected), "{uri}");
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
            "amqp://h/%zz",
            "amqp://h/%2",
        ] {
            assert_eq!(Address::parse(form), Err(AddressError::Form), "{form}");
        }
        assert_eq!(Address::parse("amqp://h?heartbeat=1"), Err(AddressError::Query));
        assert_eq!(Address::parse("amqp://h/a/b"), Err(AddressError::Vhost));
    }

    #[test]
    fn no_message_repeats_a_password() {
        for uri in ["amqp://u:hunter2@h", "amqp://u:hunter2?@h/x", "amqp://u:hunt/er2@h", "http://u:hunter2@h"] {
            let error = Address::parse(uri).unwrap_err().to_string();
            assert!(!error.contains("hunt"), "{error}");
        }
    }
}
