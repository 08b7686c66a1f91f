//! A relay in front of a server: it passes everything on and counts the requests, by their name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// What is spoken, without encryption.
#[derive(Clone, Copy, Debug)]
pub enum Protocol {
    /// Requests are called by AWS's action where they name one, else by their method.
    Http,
    Kafka,
}

/// Requests since the start.
pub type Counts = BTreeMap<String, u64>;

/// A port that is not served yet, for servers that must be told where they are found.
#[derive(Debug)]
pub struct Front {
    listener: TcpListener,
    port: u16,
}

/// Dropping it ends it.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    counts: Arc<Mutex<Counts>>,
    _task: AbortOnDropHandle<()>,
}

impl Front {
    pub async fn open() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Serves it: `server` is `HOST:PORT`.
    pub fn before(self, server: &str, protocol: Protocol) -> Relay {
        let Self { listener, port } = self;
        let (server, counts) = (server.to_owned(), Arc::<Mutex<Counts>>::default());
        let counted = counts.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, server.clone(), protocol, counted.clone()));
            }
        });
        Relay { port, counts, _task: AbortOnDropHandle::new(task) }
    }
}

impl Relay {
    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Of all names.
    pub fn count(&self) -> u64 {
        self.counts().values().sum()
    }
}

/// Until one side closes, or cannot be reached.
async fn pass_on(client: TcpStream, server: String, protocol: Protocol, counts: Arc<Mutex<Counts>>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((from_client, to_client), (mut from_server, mut to_server)) = (client.into_split(), server.into_split());
    let answers = async move {
        let mut to_client = to_client;
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
    };
    tokio::select! {
        () = requests(from_client, &mut to_server, protocol, &counts) => {}
        () = answers => {}
    }
}

async fn requests(mut from: OwnedReadHalf, to: &mut OwnedWriteHalf, protocol: Protocol, counts: &Mutex<Counts>) {
    let (mut buffer, mut frames) = (vec![0; 64 << 10], Frames::default());
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..read];
        let names = match protocol {
            Protocol::Http => http(bytes).into_iter().collect(),
            Protocol::Kafka => frames.take(bytes).into_iter().map(kafka).collect::<Vec<_>>(),
        };
        for name in names {
            *counts.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_insert(0) += 1;
        }
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

/// The request that begins here: clients send its head in one write, and no other before they have the answer.
fn http(bytes: &[u8]) -> Option<String> {
    const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "HEAD"];
    let method = METHODS
        .into_iter()
        .find(|method| bytes.strip_prefix(method.as_bytes()).is_some_and(|rest| rest.starts_with(b" ")))?;
    let head = String::from_utf8_lossy(bytes);
    let action = head.lines().filter_map(|line| line.split_once(": ")).find_map(|(header, value)| {
        header.eq_ignore_ascii_case("x-amz-target").then(|| value.rsplit('.').next().unwrap_or(value))
    });
    Some(action.unwrap_or(method).to_owned())
}

/// What Kafka's protocol calls the requests that a reader makes.
fn kafka(key: i16) -> String {
    let name = match key {
        1 => "Fetch",
        2 => "ListOffsets",
        3 => "Metadata",
        8 => "OffsetCommit",
        9 => "OffsetFetch",
        10 => "FindCoordinator",
        15 => "DescribeGroups",
        17 => "SaslHandshake",
        18 => "ApiVersions",
        36 => "SaslAuthenticate",
        69 => "ConsumerGroupDescribe",
        other => return format!("request {other}"),
    };
    name.to_owned()
}

/// Kafka's requests in a stream of bytes: a length of four bytes, and as many, of which the first two are its kind.
#[derive(Debug, Default)]
struct Frames {
    head: Vec<u8>,
    /// Bytes of the last request that are still to come.
    rest: usize,
}

impl Frames {
    const HEAD: usize = 6;

    /// The kinds of the requests whose heads end in these bytes.
    fn take(&mut self, mut bytes: &[u8]) -> Vec<i16> {
        let mut kinds = Vec::new();
        while !bytes.is_empty() {
            let passed = self.rest.min(bytes.len());
            self.rest -= passed;
            bytes = &bytes[passed..];
            let (head, more) = bytes.split_at(bytes.len().min(Self::HEAD - self.head.len()));
            self.head.extend(head);
            bytes = more;
            if let [a, b, c, d, kind @ ..] = &self.head[..]
                && let Ok(kind) = kind.try_into()
            {
                kinds.push(i16::from_be_bytes(kind));
                self.rest = (u32::from_be_bytes([*a, *b, *c, *d]) as usize).saturating_sub(2);
                self.head.clear();
            }
        }
        kinds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_requests_are_found_however_the_bytes_arrive() {
        let frame = |kind: u8, body: usize| {
            let mut frame = u32::try_from(body + 2).unwrap().to_be_bytes().to_vec();
            frame.extend([0, kind]);
            frame.extend(vec![9; body]);
            frame
        };
        let all = [frame(18, 0), frame(3, 40), frame(9, 7), frame(2, 1)].concat();
        for size in [1, 2, 5, 6, 13, all.len()] {
            let mut frames = Frames::default();
            let found: Vec<i16> = all.chunks(size).flat_map(|bytes| frames.take(bytes)).collect();
            assert_eq!(found, [18, 3, 9, 2], "{size} bytes at a time");
        }
    }

    #[tokio::test]
    async fn requests_are_passed_on_and_counted_by_their_names() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut stream, _) = server.accept().await.unwrap();
            let mut buffer = [0; 1024];
            while let Ok(1..) = stream.read(&mut buffer).await {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            }
        });
        let relay = Front::open().await.unwrap().before(&address, Protocol::Http);
        let mut client = TcpStream::connect(("127.0.0.1", relay.port())).await.unwrap();
        for request in ["GET / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\nX-Amz-Target: AmazonSQS.ListQueues\r\n\r\n"] {
            for _ in 0..2 {
                client.write_all(request.as_bytes()).await.unwrap();
                assert!(client.read(&mut [0; 1024]).await.unwrap() > 0);
            }
        }
        assert_eq!(relay.counts(), Counts::from([("GET".into(), 2), ("ListQueues".into(), 2)]));
        assert_eq!(relay.count(), 4);
    }
}
