//! Connecting to RabbitMQ: address, login and TLS in, a lapin connection out.
//!
//! Everything that talks AMQP goes through [`connect`] or [`connect_with_fuse`], because lapin's own
//! connect
//! * demands a system trust store even where a private CA is given,
//! * takes any host it cannot parse (an IPv6 address) for `localhost`,
//! * leaves a thread and a socket behind for every attempt that is given up, and
//! * panics at names that AMQP cannot carry.

mod address;
mod errors;
mod login;
mod names;
mod socket;

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use lapin::tcp::{AsyncTcpStream, RustlsConnector};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Connection, ConnectionProperties};

use crate::net::addresses;
use crate::net::tls::{self, TlsFiles};

pub use address::{Address, AddressError};
pub use errors::Error;
pub use login::{Credentials, Login, LoginError};
pub use names::{LONGEST_NAME, NameTooLong, short};
pub use socket::Fuse;

/// Seconds. A broker that is silent for twice this long is given up; RabbitMQ's own default of 60
/// would leave a worker deaf for two minutes, and its documentation calls 5 to 20 right for most.
const HEARTBEAT: u16 = 20;

/// Bytes of the largest frame. lapin keeps buffers of 64 frames for each connection: with the broker's 128 KiB that
/// was 8 MB in an operator that never sends more than a name (measured). A task of a megabyte is 64 frames.
const FRAME_MAX: u32 = 16 * 1024;

/// Where to connect, as whom.
#[derive(Clone)]
pub struct Endpoint {
    /// `amqp[s]://host[:port][/vhost]`, without credentials.
    pub uri: String,
    pub username: String,
    pub password: String,
    pub tls: TlsFiles,
    /// What the broker's management shows and joins channels by.
    pub connection_name: String,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("uri", &self.uri).field("username", &self.username).finish_non_exhaustive()
    }
}

/// Opens one connection. It is given up, leaving nothing behind, after `limit`.
///
/// lapin does not reconnect on its own here: whoever holds the connection knows what an
/// interruption means.
pub async fn connect(endpoint: &Endpoint, limit: Duration) -> Result<Connection, Error> {
    let (connection, fuse) = connect_with_fuse(endpoint, limit).await?;
    fuse.remove();
    Ok(connection)
}

/// The same for whoever must be able to leave a connection whose broker has fallen silent: its
/// socket is cut when the fuse is dropped.
pub async fn connect_with_fuse(endpoint: &Endpoint, limit: Duration) -> Result<(Connection, Fuse), Error> {
    let address = Address::parse(&endpoint.uri)?;
    let connector = address.tls.then(|| tls::client_config(&endpoint.tls)).transpose()?.map(RustlsConnector::from);
    let fuse = Fuse::default();
    let opening = open(&address, endpoint, connector, fuse.lead(), limit);
    // Longer than the limit for the socket and TLS, whose failures say more than a silence.
    match tokio::time::timeout(limit + Duration::from_millis(500), opening).await {
        Ok(Ok(connection)) => Ok((connection, fuse)),
        Ok(Err(error)) => Err(errors::of_lapin(&error, &address, endpoint)),
        Err(_) => Err(Error::Silent { address: address.authority(), seconds: limit.as_secs() }),
    }
}

async fn open(
    address: &Address,
    endpoint: &Endpoint,
    connector: Option<RustlsConnector>,
    lead: socket::Lead,
    limit: Duration,
) -> Result<Connection, lapin::Error> {
    let resolved = addresses::resolve(&address.host, address.port).await?;
    let host = address.host.clone();
    let properties = ConnectionProperties::default().with_connection_name(endpoint.connection_name.as_str().into());
    Connection::connector(
        uri(address, endpoint),
        lapin::runtime::default_runtime()?,
        async move |_, runtime| {
            let opening = async {
                let stream = AsyncTcpStream::connect(&runtime, resolved.clone()).await?;
                if let AsyncTcpStream::Plain(plain) = &stream {
                    lead.keep(plain.get_ref().as_fd().try_clone_to_owned()?.into())?;
                }
                match &connector {
                    Some(connector) => stream.into_rustls(connector, &host).await,
                    None => Ok(stream),
                }
            };
            // A limit of its own: lapin drives this on a thread that the caller's timeout does not end.
            match tokio::time::timeout(limit, opening).await {
                Ok(opened) => Ok(opened?),
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        },
        properties,
    )
    .await
}

/// Never by way of a URI string: a password may hold any character.
fn uri(address: &Address, endpoint: &Endpoint) -> AMQPUri {
    AMQPUri {
        scheme: if address.tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo { username: endpoint.username.clone(), password: endpoint.password.clone() },
            host: address.host.clone(),
            port: address.port,
        },
        vhost: address.vhost.clone(),
        query: AMQPQueryString { heartbeat: Some(HEARTBEAT), frame_max: Some(FRAME_MAX), ..AMQPQueryString::default() },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn endpoint(port: u16) -> Endpoint {
        Endpoint {
            uri: format!("amqp://127.0.0.1:{port}"),
            username: "u".into(),
            password: "hunter2".into(),
            tls: TlsFiles::default(),
            connection_name: "test".into(),
        }
    }

    /// lapin's threads in this process.
    fn threads() -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name.starts_with("lapin-io-loop")).count()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_broker_that_does_not_speak_is_left_without_a_trace() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let started = Instant::now();
        for _ in 0..3 {
            let error = connect(&endpoint(port), Duration::from_millis(200)).await.unwrap_err();
            assert!(matches!(error, Error::Silent { .. }), "{error}");
        }
        assert!(started.elapsed() < Duration::from_secs(5));
        for _ in 0..50 {
            if threads() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{} threads are left", threads());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_port_that_nobody_has_is_unreachable_and_no_secret_is_told() {
        let error = connect(&endpoint(1), Duration::from_secs(1)).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        assert!(!format!("{error} {error:?} {:?}", endpoint(1)).contains("hunter2"));
    }
}
