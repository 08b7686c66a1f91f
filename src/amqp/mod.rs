//! Connecting to RabbitMQ: address, login and TLS in, a lapin connection out.
//!
//! Everything that talks AMQP goes through [`connect`], because lapin's own connect
//! * demands a system trust store even where a private CA is given,
//! * takes any host it cannot parse (an IPv6 address) for `localhost`, and
//! * leaves a thread and a socket behind for every attempt that is given up.

mod address;
mod login;
mod tls;

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::tcp::AsyncTcpStream;
use lapin::types::ShortString;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Connection, ConnectionProperties, ErrorKind};

pub use address::{Address, AddressError};
pub use login::{Credentials, Login, LoginError};
pub use tls::TlsFiles;

/// Seconds. A broker that is silent for twice this long is given up; RabbitMQ's own default of 60
/// would leave a worker deaf for two minutes, and its documentation calls 5 to 20 right for most.
const HEARTBEAT: u16 = 20;

/// Where to connect, as whom.
#[derive(Clone)]
pub struct Endpoint {
    /// `amqp[s]://host[:port][/vhost]`, without credentials.
    pub uri: String,
    pub username: String,
    pub password: String,
    /// PEM of the only CA to trust; `None` = the system's roots.
    pub ca_pem: Option<Vec<u8>>,
    /// PEM of a client certificate and its key.
    pub client_pem: Option<(Vec<u8>, Vec<u8>)>,
    /// What the broker's management shows and joins channels by.
    pub connection_name: String,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("uri", &self.uri).field("username", &self.username).finish_non_exhaustive()
    }
}

/// Why there is no connection, in words for people. Never a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("cannot reach {host}:{port}: {cause}")]
    Unreachable { host: String, port: u16, cause: String },
    #[error("no secure connection to {host}:{port}: {cause}; give the broker's CA as ca.crt in the TLS folder")]
    Tls { host: String, port: u16, cause: String },
    #[error("the TLS files cannot be used: {0}")]
    TlsFiles(String),
    #[error("the broker refuses the login of {username:?}: correct its name or password")]
    LoginRefused { username: String },
    #[error(
        "the broker refuses {username:?} the virtual host {vhost:?}: it does not exist, or the user has no permissions there ({cause})"
    )]
    VhostRefused { username: String, vhost: String, cause: String },
    #[error("{host}:{port} accepts connections but does not speak within {seconds} s")]
    Silent { host: String, port: u16, seconds: u64 },
    #[error("the connection failed: {0}")]
    Other(String),
}

/// Opens one connection. It is given up, leaving nothing behind, after `timeout`.
///
/// lapin does not reconnect on its own here: whoever holds the connection knows what an
/// interruption means.
pub async fn connect(endpoint: &Endpoint, timeout: Duration) -> Result<Connection, Error> {
    let address = Address::parse(&endpoint.uri)?;
    let tls = if address.tls {
        Some(tls::connector(endpoint.ca_pem.as_deref(), endpoint.client_pem.as_ref())?)
    } else {
        None
    };
    let properties = ConnectionProperties::default().with_connection_name(endpoint.connection_name.as_str().into());
    let runtime = lapin::runtime::default_runtime().map_err(|error| Error::Other(error.to_string()))?;

    let attempt = Attempt::default();
    let socket = attempt.clone();
    let connecting = Connection::connector(
        uri(&address, endpoint),
        runtime,
        async move |uri: AMQPUri, runtime| {
            let AMQPAuthority { host, port, .. } = uri.authority;
            let opening = async {
                let stream = AsyncTcpStream::connect(&runtime, resolve(&host, port).await?).await?;
                if let AsyncTcpStream::Plain(plain) = &stream {
                    socket.keep(plain.get_ref().as_fd().try_clone_to_owned()?.into());
                }
                match &tls {
                    None => Ok(stream),
                    // Marked, so that a failed handshake is not taken for an unreachable host.
                    Some(tls) => stream
                        .into_rustls(tls, &host)
                        .await
                        .map_err(|cause| io::Error::other(TlsFailure(cause.to_string()))),
                }
            };
            // A limit of its own: lapin drives this on a thread that the caller's timeout does not end.
            match tokio::time::timeout(timeout, opening).await {
                Ok(stream) => stream.map_err(lapin::Error::from),
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        },
        properties,
    );
    match tokio::time::timeout(timeout + Duration::from_millis(500), connecting).await {
        Ok(Ok(connection)) => {
            attempt.forget();
            Ok(connection)
        }
        Ok(Err(error)) => Err(classify(&error, &address, &endpoint.username)),
        Err(_) => {
            attempt.abandon();
            Err(Error::Silent { host: address.host, port: address.port, seconds: timeout.as_secs() })
        }
    }
}

/// A name as AMQP carries it: at most 255 bytes. lapin's own conversion panics beyond.
pub fn short(text: &str) -> Result<ShortString, Error> {
    ShortString::try_new(text).map_err(|_| {
        let start: String = text.chars().take(40).collect();
        Error::Other(format!("the name {start:?}… has {} bytes; AMQP allows 255", text.len()))
    })
}

fn uri(address: &Address, endpoint: &Endpoint) -> AMQPUri {
    AMQPUri {
        scheme: if address.tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo { username: endpoint.username.clone(), password: endpoint.password.clone() },
            host: address.host.clone(),
            port: address.port,
        },
        vhost: address.vhost.clone(),
        query: AMQPQueryString { heartbeat: Some(HEARTBEAT), ..AMQPQueryString::default() },
    }
}

/// The socket of an attempt in progress, kept so that giving up can end lapin's thread: it reads
/// the end of the stream and leaves.
#[derive(Clone, Default)]
struct Attempt(Arc<Mutex<Option<std::net::TcpStream>>>);

impl Attempt {
    fn keep(&self, socket: std::net::TcpStream) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(socket);
    }

    /// The duplicate handle would keep the socket open after lapin closes it.
    fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn abandon(&self) {
        if let Some(socket) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It may have been closed by the peer meanwhile: just as well.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct TlsFailure(String);

fn classify(error: &lapin::Error, address: &Address, username: &str) -> Error {
    let (host, port) = (address.host.clone(), address.port);
    match error.kind() {
        ErrorKind::IOError(cause) => match cause.get_ref().and_then(|inner| inner.downcast_ref::<TlsFailure>()) {
            Some(TlsFailure(cause)) => Error::Tls { host, port, cause: cause.clone() },
            None => Error::Unreachable { host, port, cause: cause.to_string() },
        },
        ErrorKind::ProtocolError(error) => {
            let text = error.get_message().to_string();
            match error.get_id() {
                ACCESS_REFUSED => Error::LoginRefused { username: username.to_owned() },
                NOT_ALLOWED => {
                    Error::VhostRefused { username: username.to_owned(), vhost: address.vhost.clone(), cause: text }
                }
                _ => Error::Other(text),
            }
        }
        _ => Error::Other(error.to_string()),
    }
}

/// AMQP reply codes at connecting.
const ACCESS_REFUSED: u16 = 403;
const NOT_ALLOWED: u16 = 530;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn endpoint(port: u16) -> Endpoint {
        Endpoint {
            uri: format!("amqp://127.0.0.1:{port}"),
            username: "u".into(),
            password: "hunter2".into(),
            ca_pem: None,
            client_pem: None,
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

    #[test]
    fn a_name_too_long_for_amqp_is_refused() {
        assert!(short(&"x".repeat(255)).is_ok());
        assert!(short(&"x".repeat(256)).unwrap_err().to_string().contains("256 bytes; AMQP allows 255"));
    }
}
