//! The shapes of a broker's addresses, as regular expressions for the definition's rules. What they
//! accept is accepted by the readers and by `awp worker` as well (a test compares them).

/// A host name, an IPv4 address or an IPv6 one in brackets, and a port.
macro_rules! host {
    () => {
        r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?"
    };
}

macro_rules! management {
    () => {
        concat!("https?://", host!(), r"(/[^@?#,\s]*)?")
    };
}

/// `amqp[s]://host[:port][/vhost]`. A bare slash means the vhost `/`.
pub const AMQP: &str = concat!("^amqps?://", host!(), r"(/([^/@?#%\s]|%[0-9A-Fa-f]{2})*)?$");

/// `http[s]://host[:port][/prefix]`, several separated by commas.
pub const MANAGEMENT: &str = concat!("^", management!(), "( *, *", management!(), ")*$");

pub const AMQP_REMEDY: &str = "write amqp://host[:port][/vhost], or amqps:// for TLS: no query, and percent-encoded \
                               what a URI cannot hold, such as %2F for a slash inside the vhost's name";

pub const MANAGEMENT_REMEDY: &str =
    "write http://host[:port], or https:// for TLS: no query; several nodes of one cluster separated by commas";
