//! Why there is no connection: what failed, never a password and never a byte that a server sent.

use std::io;

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};

use super::Endpoint;
use super::address::{Address, AddressError};
use super::names::NameTooLong;
use crate::net::tls::{self, TlsInvalid};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Name(#[from] NameTooLong),
    #[error("the TLS files cannot be used: {0}")]
    TlsFiles(#[from] TlsInvalid),
    #[error("cannot reach {address}: {cause}")]
    Unreachable { address: String, cause: &'static str },
    #[error("no secure connection to {address}: {cause}")]
    Tls { address: String, cause: &'static str },
    #[error("{address} accepts connections but does not speak within {seconds} s")]
    Silent { address: String, seconds: u64 },
    #[error("{address} does not speak AMQP 0-9-1: check the port (5672 for amqp://, 5671 for amqps://)")]
    NotAmqp { address: String },
    #[error("the broker at {address} refuses the login of {username:?}: correct its name or password")]
    LoginRefused { address: String, username: String },
    #[error("there is no virtual host {vhost:?}: correct the URI's path or create it")]
    VhostMissing { vhost: String },
    #[error("the broker refuses {username:?} the virtual host {vhost:?}: the user has no permissions there")]
    VhostForbidden { username: String, vhost: String },
    #[error("the broker at {address} refuses more connections: raise the limit of the virtual host or user")]
    TooManyConnections { address: String },
}

pub(super) fn of_lapin(error: &lapin::Error, at: &Address, endpoint: &Endpoint) -> Error {
    let address = at.authority();
    let username = endpoint.username.clone();
    match error.kind() {
        ErrorKind::ProtocolError(protocol) => {
            let message = protocol.get_message().as_str();
            match protocol.kind() {
                AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Error::LoginRefused { address, username },
                AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) if message.contains("not found") => {
                    Error::VhostMissing { vhost: at.vhost.clone() }
                }
                AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) if message.contains("limit") => {
                    Error::TooManyConnections { address }
                }
                AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) if message.contains("refused") => {
                    Error::VhostForbidden { username, vhost: at.vhost.clone() }
                }
                _ => Error::Unreachable { address, cause: "it closed the new connection" },
            }
        }
        ErrorKind::InvalidProtocolVersion(_) | ErrorKind::ParsingError(_) => Error::NotAmqp { address },
        ErrorKind::IOError(io) => of_io(io, address),
        _ => Error::Unreachable { address, cause: "the connection broke before it was open" },
    }
}

pub(super) fn of_io(error: &io::Error, address: String) -> Error {
    match tls::failure(error) {
        Some(cause) => Error::Tls { address, cause },
        None => Error::Unreachable { address, cause: reason(error) },
    }
}

fn reason(error: &io::Error) -> &'static str {
    use io::ErrorKind as Io;
    match error.kind() {
        Io::ConnectionRefused => "nothing listens there",
        Io::TimedOut => "no answer in time",
        Io::PermissionDenied => "link-local addresses are refused",
        Io::ConnectionReset | Io::ConnectionAborted | Io::UnexpectedEof | Io::BrokenPipe => "it closed the connection",
        _ => "the name is unknown or the network is down",
    }
}
