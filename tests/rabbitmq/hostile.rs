//! Servers that hang half way or are not what the pool's author says they are.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use awp::brokers::rabbitmq::Identity;
use awp_testbed::rabbitmq;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch::{Receiver, Sender, channel};

use crate::support::{BUSY, admin, readers, tasks, watch};

#[tokio::test]
async fn a_broker_that_freezes_is_unknown_and_is_read_again_when_it_thaws() {
    let server = rabbitmq().await;
    let vhost = server.vhost("frozen").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    server.publish(&vhost, "tasks", tasks(3)).await.unwrap();
    let amqp = Relay::to(server.amqp_port()).await;
    let http = Relay::to(server.management_port()).await;
    let identity = Identity {
        uri: format!("amqp://127.0.0.1:{}/{vhost}", amqp.port),
        management: vec![format!("http://127.0.0.1:{}", http.port)],
        ..admin(server, &vhost)
    };
    let readers = readers();
    let watching = watch(&readers, &identity, "tasks").with(BUSY);
    watching.known("both", |counts| counts.ready == 3 && counts.unacked.is_some()).await;
    amqp.freeze();
    http.freeze();
    let why = watching.unknown("BrokerUnreachable").await;
    assert!(why.message.contains("did not answer") || why.message.contains("cannot reach"), "{why}");
    let gap = watching.gap("the frozen management API", |gaps| gaps.in_flight).await;
    assert_eq!(gap.reason, "ManagementUnreachable");
    amqp.thaw();
    http.thaw();
    watching.known("both again", |counts| counts.ready == 3 && counts.unacked.is_some()).await;
    // What hung is gone: one connection, as before.
    let deadline = tokio::time::Instant::now() + crate::support::PATIENCE;
    while server.connections(&vhost).await.unwrap() != 1 {
        assert!(tokio::time::Instant::now() < deadline, "connections pile up");
    }
}

#[tokio::test]
async fn what_is_not_a_management_api_is_refused_and_its_words_are_not_repeated() {
    let server = rabbitmq().await;
    let vhost = server.vhost("hostile").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    server.publish(&vhost, "tasks", tasks(1)).await.unwrap();
    let trap = Canned::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    let redirect = format!("HTTP/1.1 302 Found\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n", trap.address);
    let endless = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", u64::MAX / 2);
    let readers = readers();
    for (answer, reason) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n<h1>PLANTED</h1".to_owned(), "NotManagementApi"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n\"PLANTED\"".to_owned(), "NotManagementApi"),
        ("HTTP/1.1 401 No\r\ncontent-length: 20\r\n\r\n{\"reason\":\"PLANTED\"}".to_owned(), "LoginRefused"),
        ("HTTP/1.1 500 PLANTED\r\ncontent-length: 7\r\n\r\nPLANTED".to_owned(), "ManagementUnreachable"),
        ("PLANTED\r\n\r\n".to_owned(), "ManagementUnreachable"),
        (redirect, "NotManagementApi"),
        (endless, "ManagementUnreachable"),
    ] {
        let canned = Canned::answering(&answer).await;
        let identity = Identity { management: vec![format!("http://{}", canned.address)], ..admin(server, &vhost) };
        let watching = watch(&readers, &identity, "tasks").with(BUSY);
        let gap = watching.gap("a refusal", |gaps| gaps.in_flight).await;
        assert_eq!(gap.reason, reason, "{answer}: {gap}");
        assert!(!gap.to_string().contains("PLANTED"), "{gap}");
        watching.ready(1).await;
    }
    assert_eq!(trap.asked.load(Ordering::Relaxed), 0, "a redirect was followed, with the login");
}

#[tokio::test]
async fn a_second_management_address_is_used_when_the_first_is_down() {
    let server = rabbitmq().await;
    let vhost = server.vhost("second").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    server.publish(&vhost, "tasks", tasks(1)).await.unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let management = vec![format!("http://{gone}"), server.management_uri()];
    let readers = readers();
    let watching = watch(&readers, &Identity { management, ..admin(server, &vhost) }, "tasks").with(BUSY);
    watching.unacked(0).await;
    assert_eq!(watching.subscription.gaps().in_flight, None);
}

/// Passes bytes on until it is told to freeze, as a network or a stopped process does.
struct Relay {
    port: u16,
    frozen: Sender<bool>,
}

impl Relay {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let (frozen, state) = channel(false);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let (near_read, near_write) = near.into_split();
                let (far_read, far_write) = far.into_split();
                tokio::spawn(pass_on(near_read, far_write, state.clone()));
                tokio::spawn(pass_on(far_read, near_write, state.clone()));
            }
        });
        Self { port: own, frozen }
    }

    fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    fn thaw(&self) {
        self.frozen.send_replace(false);
    }
}

async fn pass_on(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, mut state: Receiver<bool>) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if state.wait_for(|frozen| !frozen).await.is_err() || to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// Gives every request the same answer.
struct Canned {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Canned {
    async fn answering(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let (counter, answer) = (asked.clone(), answer.to_owned());
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                let answer = answer.clone();
                tokio::spawn(async move {
                    let _ = socket.read(&mut [0; 4096]).await;
                    let _ = socket.write_all(answer.as_bytes()).await;
                    if answer.contains(&(u64::MAX / 2).to_string()) {
                        // More than anybody should take.
                        let chunk = vec![b' '; 1 << 20];
                        while socket.write_all(&chunk).await.is_ok() {}
                    }
                });
            }
        });
        Self { address, asked }
    }
}
