//! The steps that every broker over TCP begins with: name, port, TLS.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use tokio::time::timeout;

use super::Step;
use crate::net::addresses;
use crate::net::tls::{self, TlsFiles};

/// For a name, and for a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// For each answer of a handshake, which costs both sides some work.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// `dns`, `tcp` and `tls` for one address, up to the first that fails; `tls` is `None` where none is asked for.
pub async fn network(host: &str, port: u16, tls: Option<&TlsFiles>, steps: &mut Vec<Step>) -> bool {
    let Some(found) = dns(host, port, steps).await else { return false };
    let Some(reached) = tcp(&found, steps).await else { return false };
    match tls {
        None => {
            steps.push(Step::skipped("tls", "the address does not ask for TLS: login and tasks travel unencrypted"));
            true
        }
        Some(files) => handshake(host, reached, files, steps).await,
    }
}

async fn dns(host: &str, port: u16, steps: &mut Vec<Step>) -> Option<Vec<SocketAddr>> {
    let failed = |why: &str, remedy: &str| Some(Step::failed("dns", format!("{host}: {why}"), remedy));
    let step = match timeout(PATIENCE, addresses::resolve(host, port)).await {
        Ok(Ok(found)) => {
            let listed: Vec<String> = found.iter().map(|address| address.ip().to_string()).collect();
            steps.push(Step::passed("dns", format!("{host} is {}", listed.join(", "))));
            return Some(found);
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
            failed("leads to a link-local address, which is refused", "name the broker's own address")
        }
        Ok(Err(_)) => failed(
            "the name is not known here",
            "correct the host; a name of the cluster (NAME.NAMESPACE.svc) is known inside of it only: run this in a pod, \
             or forward the port",
        ),
        Err(_) => failed("the name server does not answer", "look at the name server, then try again"),
    };
    steps.extend(step);
    None
}

/// The first address that takes a connection.
async fn tcp(found: &[SocketAddr], steps: &mut Vec<Step>) -> Option<SocketAddr> {
    let mut why = "it does not answer";
    for address in found {
        match timeout(PATIENCE, tokio::net::TcpStream::connect(address)).await {
            Ok(Ok(_)) => {
                steps.push(Step::passed("tcp", format!("{address} takes connections")));
                return Some(*address);
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => why = "nothing listens there",
            Ok(Err(_)) => why = "there is no way to it",
            Err(_) => {}
        }
    }
    let listed: Vec<String> = found.iter().map(ToString::to_string).collect();
    let remedy = "check the port, that the broker runs, and that no NetworkPolicy or firewall is in between";
    steps.push(Step::failed("tcp", format!("{}: {why}", listed.join(", ")), remedy));
    None
}

async fn handshake(host: &str, address: SocketAddr, files: &TlsFiles, steps: &mut Vec<Step>) -> bool {
    let config = match tls::client_config(files) {
        Ok(config) => config,
        Err(invalid) => {
            steps.push(Step::failed("tls", invalid.to_string(), "correct the pool's TLS Secret"));
            return false;
        }
    };
    let name = host.to_owned();
    let shaking = tokio::task::spawn_blocking(move || shake_hands(name, address, config));
    let step = match shaking.await {
        Ok(Ok(version)) => {
            let trusted = if files.ca_pem.is_some() { "the pool's ca.crt" } else { "the system's CAs" };
            Step::passed("tls", format!("{version}; the certificate is for {host} and signed by one of {trusted}"))
        }
        Ok(Err(error)) => {
            let why = tls::failure(&error).unwrap_or("it closed the connection or did not answer the handshake");
            let remedy = "mend the certificate or the pool's TLS Secret (ca.crt; tls.crt and tls.key for a client \
                          certificate); amqps and https need a port that speaks TLS";
            Step::failed("tls", format!("no trusted connection to {host}: {why}"), remedy)
        }
        Err(_) => Step::failed("tls", "the handshake could not be tried", "try again"),
    };
    let passed = step.remedy.is_none();
    steps.push(step);
    passed
}

/// Blocking, because it is done once and a synchronous handshake needs no other library.
fn shake_hands(host: String, address: SocketAddr, config: ClientConfig) -> io::Result<&'static str> {
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(HANDSHAKE))?;
    socket.set_write_timeout(Some(HANDSHAKE))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    Ok(match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        _ => "TLS 1.2",
    })
}
