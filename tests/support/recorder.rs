//! What goes over the wire to a server: a relay in front of it that changes nothing and keeps all.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of all connections, in the order they came.
type Kept = Arc<Mutex<Vec<u8>>>;

pub struct Recorder {
    endpoint: String,
    asked: Kept,
    answered: Kept,
}

impl Recorder {
    /// A relay to `endpoint`, `http://HOST:PORT`.
    pub async fn before(endpoint: &str) -> Self {
        let upstream = endpoint.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let recorder = Self { endpoint, asked: Kept::default(), answered: Kept::default() };
        let (asked, answered) = (recorder.asked.clone(), recorder.answered.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&upstream).await.unwrap();
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                tokio::spawn(relay(from_client, to_server, asked.clone()));
                tokio::spawn(relay(from_server, to_client, answered.clone()));
            }
        });
        recorder
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub fn asked(&self) -> String {
        text(&self.asked)
    }

    /// The values of a header of all requests.
    pub fn headers(&self, name: &str) -> Vec<String> {
        let asked = self.asked();
        let lines = asked.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).collect()
    }

    /// The texts of an XML element of all answers.
    pub fn told(&self, tag: &str) -> Vec<String> {
        let (answered, opening) = (text(&self.answered), format!("<{tag}>"));
        answered.split(&opening).skip(1).filter_map(|part| part.split('<').next()).map(str::to_owned).collect()
    }
}

async fn relay(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, kept: Kept) {
    let mut buffer = vec![0; 16_384];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        kept.lock().unwrap().extend_from_slice(&buffer[..count]);
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

fn text(kept: &Kept) -> String {
    String::from_utf8_lossy(&kept.lock().unwrap()).into_owned()
}
