//! What can go wrong with RabbitMQ, in the words a user sees: one function per reason.
//!
//! Reasons are static; messages say what failed and what to do, and hold names the user gave,
//! never a secret and never a byte that a server sent.

use std::fmt::Write;

use crate::amqp::{self, AddressError, LONGEST_NAME};
use crate::net::tls::TlsInvalid;
use crate::scaling::observation::{ErrorClass, Unknown};

fn transient(reason: &'static str, message: String) -> Unknown {
    Unknown { class: ErrorClass::Transient, reason, message }
}

fn misconfigured(reason: &'static str, message: String) -> Unknown {
    Unknown { class: ErrorClass::Misconfigured, reason, message }
}

fn doubtful(reason: &'static str, message: String) -> Unknown {
    Unknown { class: ErrorClass::Doubtful, reason, message }
}

// Addresses, login, certificates.

pub fn invalid_uri(what: &str) -> Unknown {
    misconfigured("InvalidUri", what.to_owned())
}

pub fn invalid_address(error: AddressError) -> Unknown {
    match error {
        AddressError::Credentials => credentials_in_uri(),
        other => invalid_uri(&other.to_string()),
    }
}

pub fn credentials_in_uri() -> Unknown {
    invalid_uri("credentials belong in a Secret, not in the URI: remove everything before the @")
}

pub fn invalid_login(what: &str) -> Unknown {
    misconfigured("InvalidLogin", what.to_owned())
}

pub fn tls_invalid(what: &TlsInvalid) -> Unknown {
    misconfigured("TlsInvalid", format!("{what}: correct the pool's TLS Secret"))
}

pub fn http_unusable(what: &str) -> Unknown {
    misconfigured("TlsInvalid", what.to_owned())
}

pub fn tls_failed(address: &str, why: &str) -> Unknown {
    misconfigured("TlsFailed", format!("no trusted TLS connection to {address}: {why}"))
}

// The AMQP side.

/// Why there is no connection, as a reason and with the remedy for who writes pools.
pub fn not_connected(error: &amqp::Error) -> Unknown {
    use amqp::Error;
    match error {
        Error::Address(error) => invalid_address(*error),
        Error::Name(error) => invalid_uri(&error.to_string()),
        Error::TlsFiles(error) => tls_invalid(error),
        Error::Tls { address, cause } => tls_failed(address, cause),
        Error::Unreachable { .. } | Error::Silent { .. } => transient("BrokerUnreachable", error.to_string()),
        Error::NotAmqp { .. } => misconfigured("NotAmqp", error.to_string()),
        Error::LoginRefused { address, username } => login_refused(address, username),
        Error::VhostMissing { .. } => misconfigured("VhostMissing", error.to_string()),
        Error::VhostForbidden { username, vhost } => vhost_forbidden(username, vhost),
        Error::TooManyConnections { .. } => transient("ConnectionRefused", error.to_string()),
    }
}

pub fn connection_lost(address: &str) -> Unknown {
    transient("BrokerUnreachable", format!("the connection to RabbitMQ at {address} was lost; reconnecting"))
}

pub fn no_answer(address: &str, seconds: f64) -> Unknown {
    transient(
        "BrokerUnreachable",
        format!("RabbitMQ at {address} accepts the connection but did not answer within {seconds} s"),
    )
}

pub fn login_refused(address: &str, user: &str) -> Unknown {
    misconfigured(
        "LoginRefused",
        format!("RabbitMQ at {address} refuses user {user:?}: check user name and password in the credentials' Secret"),
    )
}

pub fn vhost_forbidden(user: &str, vhost: &str) -> Unknown {
    misconfigured(
        "VhostForbidden",
        format!(
            "user {user:?} may not enter vhost {vhost:?}: rabbitmqctl set_permissions -p {vhost} {user} '^$' '^$' '^$' \
             is enough for reading"
        ),
    )
}

pub fn vhost_hidden(user: &str, vhost: &str) -> Unknown {
    misconfigured(
        "VhostForbidden",
        format!(
            "the management API shows user {user:?} no vhost {vhost:?}: it does not exist, or needs rabbitmqctl \
             set_permissions -p {vhost} {user} '^$' '^$' '^$'"
        ),
    )
}

// One queue.

pub fn invalid_queue() -> Unknown {
    misconfigured(
        "InvalidQueueName",
        format!("a queue's name has 1 to {LONGEST_NAME} bytes and no line break: correct it in the pool"),
    )
}

pub fn queue_missing(queue: &str, vhost: &str) -> Unknown {
    misconfigured(
        "QueueMissing",
        format!(
            "there is no queue {queue:?} in vhost {vhost:?}: create it or correct the name; looking again every few seconds"
        ),
    )
}

pub fn queue_unavailable(queue: &str) -> Unknown {
    transient(
        "QueueUnavailable",
        format!("queue {queue:?} exists but cannot be read now: its node is down or the queue has stopped"),
    )
}

pub fn queue_exclusive(queue: &str) -> Unknown {
    misconfigured(
        "QueueExclusive",
        format!("queue {queue:?} is exclusive to another connection: workers can only share a queue that is not"),
    )
}

pub fn queue_forbidden(queue: &str, user: &str) -> Unknown {
    misconfigured("QueueForbidden", format!("user {user:?} may not look at queue {queue:?}: give it permission"))
}

pub fn stream() -> Unknown {
    misconfigured(
        "QueueTypeUnsupported",
        "the queue is a stream, which keeps what was consumed, so it has no backlog: use a quorum or a classic queue"
            .to_owned(),
    )
}

pub fn zero_unconfirmed() -> Unknown {
    doubtful(
        "EmptyUnconfirmed",
        "the queue looks empty, as a queue without a leader also would: waiting for a second look".to_owned(),
    )
}

pub fn zero_without_consumers(listable: bool) -> Unknown {
    let remedy = if listable {
        "once the management API answers again, the queue's state decides"
    } else {
        "set managementUri, so that the queue's state can be seen"
    };
    doubtful(
        "EmptyWithoutConsumers",
        format!(
            "the queue looks empty and without consumers although the pool has workers, as a queue without a leader \
             would: {remedy}"
        ),
    )
}

pub fn leaderless(state: &str) -> Unknown {
    doubtful("QueueNotRunning", format!("the queue's counts cannot be believed: {state}"))
}

pub fn sources_disagree() -> Unknown {
    doubtful(
        "SourcesDisagree",
        "the queue looks empty over AMQP but not in the management list: waiting until they agree".to_owned(),
    )
}

pub fn publishers_blocked() -> Unknown {
    doubtful(
        "PublishersBlocked",
        "the broker has a memory or disk alarm and blocks publishers, so an empty queue means nothing: free memory or \
         disk on the broker"
            .to_owned(),
    )
}

/// Seconds between two looks that nobody needs to be told of.
const USUAL: f64 = 2.0;

/// Seconds that one round of management requests may take: with the broker's tick of 5 s and the pause between rounds,
/// counts are then no older than the law lets them be (20 s).
const USUAL_ROUND: f64 = 8.0;

/// A broker with more queues than its budget allows to look at every second or two.
pub fn slowed(period: f64) -> Option<Unknown> {
    (period > USUAL).then(|| Unknown {
        class: ErrorClass::Transient,
        reason: "ReadingSlowed",
        message: format!(
            "each queue of this broker is looked at every {} s only, because there are so many: raise awp run's \
             --rabbitmq-looks-per-second, or put pools on another broker",
            period.ceil()
        ),
    })
}

/// A broker with more vhosts and logins than its budget of management requests can serve in time.
pub fn counts_slowed(round: f64) -> Option<Unknown> {
    (round > USUAL_ROUND).then(|| Unknown {
        class: ErrorClass::Transient,
        reason: "CountsSlowed",
        message: format!(
            "what is in flight is read every {} s only, because so many vhosts and logins of this broker take turns: \
             raise awp run's --rabbitmq-requests-per-second, or let pools share a login and a vhost",
            round.ceil()
        ),
    })
}

/// What the pool's condition says of a breaker that is open.
pub fn retried(mut why: Unknown, seconds: f64) -> Unknown {
    let _ = write!(why.message, "; tried again every {seconds} s at the latest");
    why
}

// Declaring.

pub fn queue_differs(queue: &str, argument: &str, wanted: Option<&str>, current: Option<&str>, field: &str) -> Unknown {
    let (wanted, current) = (wanted.unwrap_or("none"), current.unwrap_or("another value"));
    let remedy = match field {
        "" => "take it off the queue".to_owned(),
        field => format!("change the pool's {field}"),
    };
    misconfigured(
        "QueueDiffers",
        format!(
            "queue {queue:?} exists with {argument} {current} instead of {wanted} and is left as it is: {remedy}, or \
             delete the queue once it is empty"
        ),
    )
}

pub fn queue_refused(queue: &str) -> Unknown {
    misconfigured(
        "QueueRefused",
        format!("the broker does not take the declaration of queue {queue:?}: its log says why"),
    )
}

pub fn permission_missing(user: &str, vhost: &str, permission: &str, kind: &str, name: &str) -> Unknown {
    misconfigured(
        "PermissionMissing",
        format!(
            "user {user:?} lacks the permission {permission} on {kind} {name:?} in vhost {vhost:?}, which declaring \
             needs: let its pattern match (rabbitmqctl list_user_permissions {user} shows the three)"
        ),
    )
}

pub fn name_reserved(name: &str) -> Unknown {
    misconfigured("NameReserved", format!("{name:?} starts with amq., which RabbitMQ keeps for itself: rename it"))
}

pub fn name_too_long(name: &str) -> Unknown {
    let start: String = name.chars().take(40).collect();
    misconfigured("NameTooLong", format!("{start:?}… is longer than the {LONGEST_NAME} bytes that AMQP carries"))
}

pub fn declare_unanswered(name: &str, seconds: u64) -> Unknown {
    transient("DeclareFailed", format!("no answer within {seconds} s to the declaration of {name:?}; trying again"))
}

pub fn declare_failed(name: &str) -> Unknown {
    transient(
        "DeclareFailed",
        format!("the broker could not declare {name:?}, as where too few of its nodes are up; trying again"),
    )
}

// The management API.

pub fn management_missing() -> Unknown {
    misconfigured(
        "ManagementNotConfigured",
        "AMQP alone does not show tasks in flight: set managementUri, or give the workers a statusPort".to_owned(),
    )
}

pub fn management_unreachable(address: &str, why: &str) -> Unknown {
    transient("ManagementUnreachable", format!("cannot read the management API at {address}: {why}"))
}

pub fn not_management(address: &str) -> Unknown {
    misconfigured(
        "NotManagementApi",
        format!(
            "{address} does not answer as RabbitMQ's management API: check managementUri (port 15672) and the plugin"
        ),
    )
}

pub fn management_login_refused(address: &str, user: &str) -> Unknown {
    misconfigured(
        "LoginRefused",
        format!("the management API at {address} refuses user {user:?}: check user name and password"),
    )
}

pub fn tag_missing(user: &str) -> Unknown {
    misconfigured(
        "PermissionMissing",
        format!("user {user:?} has no tag for the management API: rabbitmqctl set_user_tags {user} management"),
    )
}

pub fn monitoring_missing(user: &str) -> Unknown {
    misconfigured(
        "PermissionMissing",
        format!(
            "counts by worker need the tag monitoring on user {user:?} (rabbitmqctl set_user_tags {user} monitoring), \
             or a statusPort on the workers"
        ),
    )
}

pub fn statistics_disabled() -> Unknown {
    misconfigured(
        "StatisticsDisabled",
        "the broker's management statistics are off, so counts by worker cannot be had: switch the metrics collector on \
         or give the workers a statusPort"
            .to_owned(),
    )
}

pub fn totals_missing() -> Unknown {
    misconfigured(
        "TotalsMissing",
        "the management API lists the queue without its counts: RabbitMQ 3.10 or newer is needed".to_owned(),
    )
}
