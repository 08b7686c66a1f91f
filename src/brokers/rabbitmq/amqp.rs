//! One AMQP connection, and passive declares pipelined on its channels.

use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::maybe_done;
use lapin::options::QueueDeclareOptions;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::tcp::RustlsConnector;
use lapin::types::FieldTable;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{AsyncTcpStream, Channel, Connection, ConnectionProperties, Error, ErrorKind};
use tokio::time::{Instant, timeout};

use super::identity::{Endpoint, Identity};
use super::{addresses, errors, tls};
use crate::scaling::observation::Unknown;

/// Name look-up, TCP, TLS and the AMQP handshake together.
const CONNECT_SECONDS: f64 = 10.0;

/// One answer. The server itself waits up to 250 ms for a queue without a leader.
const ANSWER_SECONDS: f64 = 5.0;

/// A connection to one vhost. Dropping it cuts the socket; [`Link::close`] says goodbye first.
pub struct Link {
    connection: Connection,
    endpoint: Endpoint,
    username: String,
    // After `connection`: its farewell may still be on the way out.
    _fuse: Fuse,
}

/// What one queue answered.
#[derive(Clone, Debug)]
pub enum Answer {
    Counts { ready: u64, consumers: u64 },
    Refused(Unknown),
}

/// Answers to the first of the queues asked for, in order.
pub struct Answers {
    /// Each with the time it was waited for after the one before.
    pub answers: Vec<(Answer, Duration)>,
    /// A refusal closes the channel and swallows all answers behind it.
    pub channel_closed: bool,
}

/// Cuts a socket that the AMQP library would wait on for ever: it has no time limit for a server
/// that accepts a connection and stays silent, and keeps a thread for each.
#[derive(Default)]
struct Fuse(Arc<Mutex<Wire>>);

#[derive(Default)]
enum Wire {
    #[default]
    NotYet,
    Open(std::net::TcpStream),
    Cut,
}

impl Drop for Fuse {
    fn drop(&mut self) {
        let wire = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), Wire::Cut);
        if let Wire::Open(socket) = wire {
            // Fails where the socket is gone already.
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
    }
}

impl Link {
    pub async fn open(endpoint: &Endpoint, identity: &Identity) -> Result<Self, Unknown> {
        let address = endpoint.authority();
        let connector = if endpoint.tls { Some(RustlsConnector::from(tls::client_config(identity)?)) } else { None };
        let fuse = Fuse::default();
        let limit = Duration::from_secs_f64(CONNECT_SECONDS);
        let connecting = connect(endpoint, identity, connector, fuse.0.clone());
        match timeout(limit, connecting).await {
            Ok(Ok(connection)) => {
                Ok(Self { connection, endpoint: endpoint.clone(), username: identity.username.clone(), _fuse: fuse })
            }
            Ok(Err(error)) => Err(connect_failure(&error, endpoint, &identity.username)),
            Err(_) => Err(errors::no_answer(&address, CONNECT_SECONDS)),
        }
    }

    pub async fn channel(&self) -> Result<Channel, Unknown> {
        match timeout(Duration::from_secs_f64(ANSWER_SECONDS), self.connection.create_channel()).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(_)) => Err(errors::connection_lost(&self.endpoint.authority())),
            Err(_) => Err(errors::no_answer(&self.endpoint.authority(), ANSWER_SECONDS)),
        }
    }

    /// Sends passive declares of all `queues` at once, then takes the answers in order.
    ///
    /// `Err` means that the connection is of no use any more.
    pub async fn look(&self, channel: &Channel, queues: &[String]) -> Result<Answers, Unknown> {
        let mut sent = Vec::with_capacity(queues.len());
        for queue in queues {
            let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            let declare = channel.queue_declare(queue.as_str().into(), options, FieldTable::default());
            let mut declare = maybe_done(Box::pin(declare));
            // The first poll puts the frame on the wire.
            let _ = futures::poll!(&mut declare);
            sent.push((queue, declare));
        }
        let mut answers = Vec::with_capacity(queues.len());
        for (queue, mut declare) in sent {
            let asked = Instant::now();
            if timeout(Duration::from_secs_f64(ANSWER_SECONDS), &mut declare).await.is_err() {
                return Err(errors::no_answer(&self.endpoint.authority(), ANSWER_SECONDS));
            }
            let waited = asked.elapsed();
            match std::pin::Pin::new(&mut declare).take_output() {
                Some(Ok(found)) => {
                    let (ready, consumers) = (found.message_count().into(), found.consumer_count().into());
                    answers.push((Answer::Counts { ready, consumers }, waited));
                }
                Some(Err(error)) => {
                    answers.push((Answer::Refused(self.refusal(&error, queue)?), waited));
                    return Ok(Answers { answers, channel_closed: true });
                }
                None => return Err(errors::connection_lost(&self.endpoint.authority())),
            }
        }
        Ok(Answers { answers, channel_closed: false })
    }

    /// What an error says of `queue`; `Err` if it is about the whole connection.
    fn refusal(&self, error: &Error, queue: &str) -> Result<Unknown, Unknown> {
        let ErrorKind::ProtocolError(protocol) = error.kind() else {
            return Err(errors::connection_lost(&self.endpoint.authority()));
        };
        match protocol.kind() {
            // "no queue 'x'" against "queue 'x' … process is stopped" or "home node … is down".
            AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) if protocol.get_message().as_str().contains("no queue") => {
                Ok(errors::queue_missing(queue, &self.endpoint.vhost))
            }
            AMQPErrorKind::Soft(AMQPSoftError::RESOURCELOCKED) => Ok(errors::queue_exclusive(queue)),
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Ok(errors::queue_forbidden(queue, &self.username)),
            AMQPErrorKind::Soft(_) => Ok(errors::queue_unavailable(queue)),
            AMQPErrorKind::Hard(_) => Err(errors::connection_lost(&self.endpoint.authority())),
        }
    }

    pub async fn close(self) {
        let farewell = self.connection.close(200, "OK".into());
        // The fuse cuts what does not answer.
        let _ = timeout(Duration::from_secs(2), farewell).await;
    }
}

async fn connect(
    endpoint: &Endpoint,
    identity: &Identity,
    connector: Option<RustlsConnector>,
    wire: Arc<Mutex<Wire>>,
) -> Result<Connection, Error> {
    let addresses = addresses::resolve(&endpoint.host, endpoint.port).await?;
    let host = endpoint.host.clone();
    let uri = AMQPUri {
        scheme: if endpoint.tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
        authority: AMQPAuthority {
            // Never by way of a URI string: a password may hold any character.
            userinfo: AMQPUserInfo { username: identity.username.clone(), password: identity.password.clone() },
            host: endpoint.host.clone(),
            port: endpoint.port,
        },
        vhost: endpoint.vhost.clone(),
        query: AMQPQueryString::default(),
    };
    let properties = ConnectionProperties::default().with_connection_name("awp-operator".into());
    Connection::connector(
        uri,
        lapin::runtime::default_runtime()?,
        async move |_, runtime| {
            let opening = async {
                let stream = AsyncTcpStream::connect(&runtime, addresses.clone()).await?;
                if let AsyncTcpStream::Plain(plain) = &stream {
                    let socket = plain.get_ref().as_fd().try_clone_to_owned()?.into();
                    let mut wire = wire.lock().unwrap_or_else(PoisonError::into_inner);
                    if matches!(*wire, Wire::Cut) {
                        return Err(std::io::ErrorKind::TimedOut.into());
                    }
                    *wire = Wire::Open(socket);
                }
                match &connector {
                    Some(connector) => stream.into_rustls(connector, &host).await,
                    None => Ok(stream),
                }
            };
            match timeout(Duration::from_secs_f64(CONNECT_SECONDS), opening).await {
                Ok(opened) => Ok(opened?),
                Err(elapsed) => Err(std::io::Error::from(elapsed).into()),
            }
        },
        properties,
    )
    .await
}

fn connect_failure(error: &Error, endpoint: &Endpoint, user: &str) -> Unknown {
    let address = endpoint.authority();
    match error.kind() {
        ErrorKind::ProtocolError(protocol) => {
            let message = protocol.get_message().as_str();
            match protocol.kind() {
                AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => errors::login_refused(&address, user),
                AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) if message.contains("not found") => {
                    errors::vhost_missing(&endpoint.vhost)
                }
                AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) if message.contains("limit") => {
                    errors::connection_refused(&address)
                }
                AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) if message.contains("refused") => {
                    errors::vhost_forbidden(user, &endpoint.vhost)
                }
                _ => errors::unreachable(&address, "it closed the new connection"),
            }
        }
        ErrorKind::InvalidProtocolVersion(_) | ErrorKind::ParsingError(_) => errors::not_amqp(&address),
        ErrorKind::IOError(io) => match tls::failure(io.as_ref()) {
            Some(why) => errors::tls_failed(&address, why),
            None => errors::unreachable(&address, io_reason(io.kind())),
        },
        _ => errors::unreachable(&address, "the connection broke before it was open"),
    }
}

fn io_reason(kind: std::io::ErrorKind) -> &'static str {
    use std::io::ErrorKind as Io;
    match kind {
        Io::ConnectionRefused => "nothing listens there",
        Io::TimedOut => "no answer in time",
        Io::PermissionDenied => "link-local addresses are refused",
        Io::ConnectionReset | Io::ConnectionAborted | Io::UnexpectedEof | Io::BrokenPipe => "it closed the connection",
        _ => "the name is unknown or the network is down",
    }
}
