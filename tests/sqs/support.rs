//! Small verbs: who reads what, as whom, and waiting for a reading.

use std::sync::Arc;

use awp::aws::{Identity, Keys, Login};
use awp::brokers::{Brokers, Interest, Live, QueueFacts, Source, Subscription, sqs};
use awp::scaling::observation::{QueueCounts, Unknown};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::readings::View;
pub use crate::readings::readers;

/// The pool has workers.
pub const BUSY: Interest = Interest { in_flight: true, by_worker: false, relaxed: false, begun: false };

/// Keys that the local server takes, as it takes all.
pub fn identity(endpoint: &str) -> Identity {
    let keys =
        Keys { access_key_id: "AKIATEST".into(), secret_access_key: "planted-hunter2".into(), session_token: None };
    Identity { region: "eu-central-1".into(), endpoint: Some(endpoint.to_owned()), login: Login::Keys(keys) }
}

/// One pool's view of one queue.
pub struct Watching {
    pub subscription: Box<dyn Subscription>,
    pub wake: Arc<Notify>,
    queue: String,
}

pub fn watch(readers: &Live, endpoint: &str, queue: &str) -> Watching {
    watch_as(readers, identity(endpoint), queue)
}

pub fn watch_as(readers: &Live, broker: Identity, queue: &str) -> Watching {
    let wake = Arc::new(Notify::new());
    let source = sqs::Source { broker, queue: queue.to_owned(), dead_letter_queue: None };
    let subscription = readers.subscribe(Source::Sqs(source), wake.clone());
    Watching { subscription, wake, queue: queue.to_owned() }
}

impl Watching {
    pub fn with(self, interest: Interest) -> Self {
        self.subscription.set_interest(interest);
        self
    }

    fn view(&self) -> View<'_> {
        View { subscription: &*self.subscription, of: &self.queue }
    }

    pub async fn known(&self, what: &str, enough: impl Fn(&QueueCounts) -> bool) -> QueueCounts {
        self.view().known(what, enough).await
    }

    /// Waits until the queue is unknown for this reason.
    pub async fn unknown(&self, reason: &str) -> Unknown {
        self.view().unknown(reason).await
    }

    pub async fn facts(&self) -> QueueFacts {
        self.wait("facts", || self.subscription.facts()).await
    }

    pub async fn wait<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        self.view().wait(what, look).await
    }
}

pub fn bodies(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("{{\"durationSeconds\":0.1,\"n\":{number}}}"))
}

/// A server that gives this answer to every request.
pub async fn answering(status: u16, body: &'static str) -> String {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", server.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = server.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let length = body.len();
            let head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    address
}
