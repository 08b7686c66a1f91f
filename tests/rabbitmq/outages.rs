//! One source down, both down, a broker that never answers, a restart with messages standing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use awp::brokers::Interest;
use awp::brokers::rabbitmq::Identity;
use awp::scaling::observation::{ErrorClass, QueueReading};
use awp_testbed::rabbitmq;
use awp_testbed::rabbitmq::{Options, RabbitMq};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::support::{BUSY, PATIENCE, Watching, Worker, admin, amqp_only, readers, tasks, watch};

#[tokio::test]
async fn with_management_down_ready_is_known_and_unacked_ages_away() {
    let server = RabbitMq::start(Options::default()).await.unwrap();
    let vhost = server.vhost("half").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    server.publish(&vhost, "tasks", tasks(5)).await.unwrap();
    let _worker = Worker::holding(&server, &vhost, "tasks", "pod-a", 2).await;
    let readers = readers();
    let watching = watch(&readers, &admin(&server, &vhost), "tasks").with(BUSY);
    watching.unacked(2).await;
    server.stop_management().await.unwrap();
    let gap = watching.gap("the outage", |gaps| gaps.in_flight).await;
    assert_eq!(gap.reason, "ManagementUnreachable");
    let last = watching.ready(3).await;
    // The last count is kept with its time, until it is too old.
    assert!(last.unacked.is_none_or(|unacked| unacked.count == 2), "{last:?}");
    watching.known("no unacked", |counts| counts.unacked.is_none()).await;
    server.publish(&vhost, "tasks", tasks(1)).await.unwrap();
    watching.ready(4).await;
    server.start_management().await.unwrap();
    watching.unacked(2).await;
    watching.wait("no gap", || watching.subscription.gaps().in_flight.is_none().then_some(())).await;
}

#[tokio::test]
async fn with_amqp_down_the_list_is_the_reading() {
    let server = rabbitmq().await;
    let vhost = server.vhost("list").await.unwrap();
    for queue in ["full", "empty"] {
        server.declare_quorum(&vhost, queue).await.unwrap();
    }
    server.publish(&vhost, "full", tasks(5)).await.unwrap();
    let closed = closed_port().await;
    let identity = Identity { uri: format!("amqp://127.0.0.1:{closed}/{vhost}"), ..admin(server, &vhost) };
    let readers = readers();
    let full = watch(&readers, &identity, "full");
    let counts = full.ready(5).await;
    assert_eq!(counts.unacked.map(|unacked| unacked.count), Some(0));
    let gap = full.gap("the outage", |gaps| gaps.ready).await;
    assert_eq!((gap.reason, gap.class), ("BrokerUnreachable", ErrorClass::Transient));
    watch(&readers, &identity, "empty").ready(0).await;
    // A name in no list is doubted, not missing: only the broker itself can say that.
    watch(&readers, &identity, "absent").unknown("QueueNotRunning").await;
}

#[tokio::test]
async fn a_broker_that_never_answers_delays_no_other_and_is_cut_off() {
    let server = rabbitmq().await;
    let vhost = server.vhost("healthy").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    server.publish(&vhost, "tasks", tasks(1)).await.unwrap();
    let hole = BlackHole::open().await;
    let dead = Identity::new(&hole.uri("amqp"), Some(&hole.uri("http")), "u", "p", None, None).unwrap();
    let half_dead = Identity { management: vec![hole.uri("http")], ..admin(server, &vhost) };
    let readers = readers();
    let hung = watch(&readers, &dead, "tasks").with(BUSY);
    let half_hung = watch(&readers, &half_dead, "tasks").with(BUSY);
    let healthy = watch(&readers, &admin(server, &vhost), "tasks").with(BUSY);
    let first = healthy.ready(1).await;
    hung.unknown("BrokerUnreachable").await;
    half_hung.gap("the silent management API", |gaps| gaps.in_flight).await;
    // Meanwhile the healthy one was looked at again and again.
    assert_eq!(half_hung.ready(1).await.ready, 1);
    let later = healthy.ready(1).await;
    assert!(later.at.since(first.at) > 5.0, "{} s", later.at.since(first.at));
    // No connection is left hanging behind our back.
    hung.wait("the hung connection to be cut", || (hole.closed.load(Ordering::Relaxed) > 0).then_some(())).await;
}

#[tokio::test]
async fn standing_messages_are_never_read_as_none_over_a_stop_and_a_crash() {
    let server = RabbitMq::start(Options::default()).await.unwrap();
    let vhost = server.vhost("standing").await.unwrap();
    server.declare_quorum(&vhost, "quorum").await.unwrap();
    server.declare_classic(&vhost, "classic").await.unwrap();
    for queue in ["quorum", "classic"] {
        server.publish(&vhost, queue, tasks(100)).await.unwrap();
    }
    let readers = readers();
    let mut pools = Vec::new();
    for queue in ["quorum", "classic"] {
        for identity in [admin(&server, &vhost), amqp_only(&server, &vhost)] {
            for interest in [Interest::default(), BUSY] {
                pools.push(watch(&readers, &identity, queue).with(interest));
            }
        }
    }
    let pools = Arc::new(pools);
    for pool in pools.iter() {
        pool.ready(100).await;
    }
    let over = Arc::new(AtomicBool::new(false));
    let guard = tokio::spawn(none_is_empty(pools.clone(), over.clone()));
    for crash in [false, true] {
        if crash {
            server.kill().await.unwrap();
        } else {
            server.stop().await.unwrap();
        }
        for pool in pools.iter() {
            pool.unknown("BrokerUnreachable").await;
        }
        server.start_again().await.unwrap();
        for pool in pools.iter() {
            pool.ready(100).await;
        }
    }
    // Totals of quorum queues come late after a start.
    tokio::time::sleep(Duration::from_secs(8)).await;
    over.store(true, Ordering::Relaxed);
    assert!(guard.await.unwrap() > 100, "too few looks to say anything");
}

async fn none_is_empty(pools: Arc<Vec<Watching>>, over: Arc<AtomicBool>) -> usize {
    let mut looks = 0;
    while !over.load(Ordering::Relaxed) {
        for pool in pools.iter() {
            if let Some(QueueReading::Known(counts)) = pool.subscription.latest() {
                assert_eq!(counts.ready, 100, "{counts:?}");
            }
            looks += 1;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    looks
}

#[tokio::test]
async fn an_empty_queue_means_nothing_while_an_alarm_blocks_publishers() {
    let server = RabbitMq::start(Options::default()).await.unwrap();
    let vhost = server.vhost("alarm").await.unwrap();
    server.declare_classic(&vhost, "tasks").await.unwrap();
    let readers = readers();
    let watching = watch(&readers, &admin(&server, &vhost), "tasks").with(BUSY);
    watching.ready(0).await;
    server.ctl(&["set_vm_memory_high_watermark", "0.0001"]).await.unwrap();
    let why = watching.unknown("PublishersBlocked").await;
    assert_eq!(why.class, ErrorClass::Doubtful);
    server.ctl(&["set_vm_memory_high_watermark", "absolute", "1GB"]).await.unwrap();
    watching.ready(0).await;
}

async fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

/// Accepts connections and never says a word.
pub struct BlackHole {
    port: u16,
    closed: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl BlackHole {
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let closed = Arc::new(AtomicUsize::new(0));
        let counter = closed.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let counter = counter.clone();
                tokio::spawn(async move {
                    let mut buffer = [0; 1024];
                    let mut amqp = false;
                    // Ends when the other side closes.
                    while let Ok(read @ 1..) =
                        tokio::time::timeout(PATIENCE * 2, socket.read(&mut buffer)).await.unwrap()
                    {
                        amqp |= buffer[..read].starts_with(b"AMQP");
                    }
                    counter.fetch_add(usize::from(amqp), Ordering::Relaxed);
                });
            }
        });
        Self { port, closed, task }
    }

    pub fn uri(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }
}

impl Drop for BlackHole {
    fn drop(&mut self) {
        self.task.abort();
    }
}
