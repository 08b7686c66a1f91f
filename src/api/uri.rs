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

/// Amazon's https hosts, up to the slash.
macro_rules! on_aws {
    () => {
        r"(amazonaws\.com(\.cn)?|api\.aws)/"
    };
}

/// `host:port` of a Kafka broker.
pub const KAFKA_BROKER: &str = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$";

/// RFC 3339, with a zone.
pub const TIMESTAMP: &str =
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$";

/// `http[s]://host[:port]/path` of an SQS queue.
pub const SQS_QUEUE: &str = concat!("^https?://", host!(), r"(/[A-Za-z0-9._~-]+)+/?$");

pub const SQS_QUEUE_REMEDY: &str = "write the queue's URL as SQS gives it, such as \
                                    https://sqs.eu-central-1.amazonaws.com/123456789012/research: no query";

/// `http[s]://host[:port][/path]` of a server that speaks SQS.
pub const SQS_ENDPOINT: &str = concat!("^https?://", host!(), r"(/[A-Za-z0-9._~-]+)*/?$");

pub const SQS_ENDPOINT_REMEDY: &str =
    "write https://host[:port], or http:// for a local server such as http://localstack.dev:4566: no query";

pub const SQS_ON_AWS: &str = concat!(r"^https://[a-z0-9.-]+\.", on_aws!());

/// Hosts that name the region, as [`crate::aws::region`] reads them.
pub const SQS_TELLS_REGION: &str =
    concat!(r"^https://((vpce-[a-z0-9-]+\.)?sqs(-fips)?\.[a-z0-9-]+\.(vpce\.)?|[a-z0-9-]+\.queue\.)", on_aws!());

pub const AWS_REGION: &str = r"^[a-z]{2,}(-[a-z0-9]+)*$";

pub const AWS_ROLE: &str = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$";

/// `amqp[s]://host[:port][/vhost]`. A bare slash means the vhost `/`.
pub const AMQP: &str = concat!("^amqps?://", host!(), r"(/([^/@?#%\s]|%[0-9A-Fa-f]{2})*)?$");

/// `http[s]://host[:port][/prefix]`, several separated by commas.
pub const MANAGEMENT: &str = concat!("^", management!(), "( *, *", management!(), ")*$");

pub const AMQP_REMEDY: &str = "write amqp://host[:port][/vhost], or amqps:// for TLS: no query, and percent-encoded \
                               what a URI cannot hold, such as %2F for a slash inside the vhost's name";

pub const MANAGEMENT_REMEDY: &str =
    "write http://host[:port], or https:// for TLS: no query; several nodes of one cluster separated by commas";
