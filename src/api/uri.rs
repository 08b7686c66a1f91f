//! The shapes of a broker's addresses. The CRD's rules refuse the same things by [`AMQP`] and
//! [`MANAGEMENT`]; here they are checked again, because a CRD may be older than the operator.

/// A host name, an IPv4 address or an IPv6 one in brackets, and a port.
macro_rules! host {
    () => {
        r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?"
    };
}

/// `amqp[s]://host[:port][/vhost]` as a regular expression for CEL.
pub const AMQP: &str = concat!("^amqps?://", host!(), r"(/[^/@?#\s]+)?$");
/// `http[s]://host[:port][/prefix]` as a regular expression for CEL.
pub const MANAGEMENT: &str = concat!("^https?://", host!(), r"(/[^@?#\s]*)?$");

pub const AMQP_REMEDY: &str = "write amqp://host[:port][/vhost], or amqps:// for TLS: no query, a slash inside the \
                               vhost's name as %2F, and no path at all for the vhost /";
pub const MANAGEMENT_REMEDY: &str = "write http://host[:port], or https:// for TLS: no query";

/// Checks an AMQP address without credentials.
pub fn check_amqp(uri: &str) -> Result<(), &'static str> {
    let rest = uri.strip_prefix("amqps://").or_else(|| uri.strip_prefix("amqp://")).ok_or(AMQP_REMEDY)?;
    let (authority, vhost) = split(rest);
    let vhost_is_one_segment = vhost.is_none_or(|vhost| !vhost.is_empty() && !vhost.contains('/'));
    if is_clean(rest) && is_authority(authority) && vhost_is_one_segment { Ok(()) } else { Err(AMQP_REMEDY) }
}

/// Checks the address of a management API without credentials.
pub fn check_management(uri: &str) -> Result<(), &'static str> {
    let rest = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://")).ok_or(MANAGEMENT_REMEDY)?;
    let (authority, _) = split(rest);
    if is_clean(rest) && is_authority(authority) { Ok(()) } else { Err(MANAGEMENT_REMEDY) }
}

fn split(rest: &str) -> (&str, Option<&str>) {
    rest.split_once('/').map_or((rest, None), |(authority, path)| (authority, Some(path)))
}

fn is_clean(rest: &str) -> bool {
    !rest.contains(|c: char| "@?#".contains(c) || c.is_whitespace())
}

fn is_authority(authority: &str) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an IPv6 address stand before its closing bracket.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_is_good = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)),
    };
    host_is_good && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_brokers_are_accepted() {
        for uri in [
            "amqp://rabbitmq",
            "amqps://rabbitmq.messaging:5671/agents",
            "amqp://10.0.0.1:5672/%2Fteam%2Fa",
            "amqp://[::1]:5672",
            "amqp://[fd00::1]/v",
        ] {
            assert_eq!(check_amqp(uri), Ok(()), "{uri}");
        }
        for uri in ["http://rabbitmq:15672", "https://rabbitmq", "https://proxy/rabbitmq/"] {
            assert_eq!(check_management(uri), Ok(()), "{uri}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for uri in [
            "",
            "rabbitmq:5672",
            "http://rabbitmq",
            "AMQP://rabbitmq",
            "amqp://",
            "amqp://rabbitmq/",
            "amqp://rabbitmq/a/b",
            "amqp://user:secret@rabbitmq",
            "amqp://user:sec/ret@rabbitmq",
            "amqp://rabbitmq/v?heartbeat=5",
            "amqp://rabbitmq:0",
            "amqp://rabbitmq:99999",
            "amqp://[::1",
            "amqp://a b",
        ] {
            assert_eq!(check_amqp(uri), Err(AMQP_REMEDY), "{uri}");
        }
        for uri in ["amqp://rabbitmq", "https://user:secret@rabbitmq", "http://", "http://rabbitmq?x=y"] {
            assert_eq!(check_management(uri), Err(MANAGEMENT_REMEDY), "{uri}");
        }
    }
}
