//! What reading costs the broker, and what one broker's trouble costs the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use awp::brokers::Live;
use awp::brokers::metrics::BrokerMetrics;
use awp::brokers::rabbitmq::{Identity, Limits};
use awp::clock::Clock;
use awp::ops::metrics::Metrics;
use awp::scaling::observation::QueueReading;
use awp_testbed::{RabbitMq, rabbitmq};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use crate::many::declare;
use crate::outages::BlackHole;
use crate::support::{BUSY, BY_WORKER, Watching, admin, amqp_only, readers, watch};

/// Passes everything on to the management API and counts the requests.
struct Counter {
    port: u16,
    requests: Arc<AtomicUsize>,
}

impl Counter {
    async fn before(server: &RabbitMq) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (target, requests) = (server.management_port(), Arc::new(AtomicUsize::new(0)));
        let counted = requests.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let counted = counted.clone();
                tokio::spawn(async move {
                    let server = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
                    let (mut from_client, mut to_client) = client.into_split();
                    let (mut from_server, mut to_server) = server.into_split();
                    let back = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
                    let mut buffer = vec![0; 64 << 10];
                    while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
                        // A request is one small write.
                        counted.fetch_add(usize::from(buffer[..read].starts_with(b"GET ")), Ordering::Relaxed);
                        to_server.write_all(&buffer[..read]).await.unwrap();
                    }
                    back.abort();
                });
            }
        });
        Self { port, requests }
    }

    fn count(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    fn identity(&self, server: &RabbitMq, vhost: &str) -> Identity {
        Identity { management: vec![format!("http://127.0.0.1:{}", self.port)], ..admin(server, vhost) }
    }
}

fn pools(readers: &Live, broker: &Identity, count: usize) -> Vec<Watching> {
    (0..count).map(|number| watch(readers, broker, &format!("queue-{number}"))).collect()
}

fn looks(readers: &Live) -> u64 {
    readers.requests().rabbitmq_looks.load(Ordering::Relaxed)
}

/// The age of the oldest reading that was seen in so many seconds.
async fn oldest(pools: &[Watching], clock: Clock, seconds: u64) -> f64 {
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut oldest: f64 = 0.0;
    while Instant::now() < end {
        for pool in pools {
            match pool.subscription.latest() {
                Some(QueueReading::Known(counts)) => oldest = oldest.max(clock.now().since(counts.at)),
                other => panic!("{other:?}"),
            }
        }
        sleep(Duration::from_millis(50)).await;
    }
    oldest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_pools_cost_two_requests_and_a_thousand_even_looks_a_second() {
    let server = rabbitmq().await;
    let vhost = server.vhost("thousand").await.unwrap();
    declare(server, &vhost, 1_000).await;
    let counter = Counter::before(server).await;
    let readers = readers();
    let started = Instant::now();
    let pools: Vec<Watching> = pools(&readers, &counter.identity(server, &vhost), 1_000);
    for pool in &pools {
        // Workers without a status endpoint: they want most of the broker.
        pool.subscription.set_interest(BY_WORKER);
    }
    for pool in &pools {
        pool.known("ready and unacked", |counts| counts.unacked.is_some()).await;
    }
    println!("all read after {:.1} s", started.elapsed().as_secs_f64());
    sleep(Duration::from_secs(5)).await;

    let (requests, before) = (counter.count(), looks(&readers));
    let (mut most, mut last) = (0, before);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        sleep(Duration::from_millis(250)).await;
        let now = looks(&readers);
        most = most.max(now - last);
        last = now;
    }
    let seconds = began.elapsed().as_secs_f64();
    let (requests, all) = ((counter.count() - requests) as f64 / seconds, (last - before) as f64 / seconds);
    println!("{requests:.2} requests/s, {all:.0} looks/s, {most} looks in the busiest quarter of a second");
    assert!(requests <= 2.0, "{requests} requests/s");
    assert!((500.0..=1_050.0).contains(&all), "{all} looks/s");
    // All at once would be a thousand.
    assert!(most <= 800, "{most} looks in a quarter of a second");
    assert_eq!(server.connections(&vhost).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vhost_without_workers_costs_no_request_at_all() {
    let server = rabbitmq().await;
    let vhost = server.vhost("workless").await.unwrap();
    declare(server, &vhost, 100).await;
    let counter = Counter::before(server).await;
    let readers = readers();
    let pools = pools(&readers, &counter.identity(server, &vhost), 100);
    for (number, pool) in pools.iter().enumerate() {
        pool.ready(number as u64 % 3).await;
        pool.facts().await;
    }
    sleep(Duration::from_secs(8)).await;
    let before = counter.count();
    assert!(before > 0);
    sleep(Duration::from_secs(15)).await;
    assert_eq!(counter.count(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_five_times_as_many_queues_as_the_budget_allows_each_is_read_less_often_and_says_so() {
    let server = rabbitmq().await;
    let vhost = server.vhost("crowded").await.unwrap();
    declare(server, &vhost, 500).await;
    let clock = Clock::starting_at(SystemTime::now());
    let limits = Limits { looks_per_second: 100.0, ..Limits::default() };
    let readers = Arc::new(awp::brokers::live(clock, rand::random::<f64>).with_limits(limits));
    let pools = pools(&readers, &amqp_only(server, &vhost), 500);
    for (number, pool) in pools.iter().enumerate() {
        pool.ready(number as u64 % 3).await;
    }
    let gap = pools[0].gap("the slow reading", |gaps| gaps.ready).await;
    assert_eq!(gap.reason, "ReadingSlowed");
    assert!(gap.message.contains("every 5 s") && gap.message.contains("--rabbitmq-looks-per-second"), "{gap}");
    let (before, began) = (looks(&readers), Instant::now());
    let age = oldest(&pools, clock, 15).await;
    let rate = (looks(&readers) - before) as f64 / began.elapsed().as_secs_f64();
    println!("oldest {age:.1} s, {rate:.0} looks/s");
    assert!(age < 10.0, "{age} s");
    assert!(rate <= 110.0, "{rate} looks/s");

    let metrics = Metrics::default().with_collector(BrokerMetrics(readers)).render();
    for line in [
        r#"awp_broker_identities{broker="rabbitmq"} 1"#,
        r#"awp_broker_subscriptions{broker="rabbitmq"} 500"#,
        r#"awp_broker_breakers_open{broker="rabbitmq",side="amqp"} 0"#,
        r#"awp_broker_look_period_seconds{broker="rabbitmq"} 5.0"#,
        r#"awp_broker_requests_total{broker="rabbitmq",request="declare"}"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vhosts_that_take_turns_for_too_long_are_told_that_their_counts_are_late() {
    let server = rabbitmq().await;
    let limits = Limits { requests_per_second: 1.0, ..Limits::default() };
    let clock = Clock::starting_at(SystemTime::now());
    let readers = Arc::new(awp::brokers::live(clock, rand::random::<f64>).with_limits(limits));
    let mut all = Vec::new();
    for number in 0..4 {
        let vhost = server.vhost(&format!("turns-{number}")).await.unwrap();
        declare(server, &vhost, 2).await;
        all.extend(pools(&readers, &admin(server, &vhost), 2));
    }
    for pool in &all {
        pool.subscription.set_interest(BY_WORKER);
    }
    for pool in &all {
        let gap = pool.gap("late counts", |gaps| gaps.in_flight).await;
        assert_eq!(gap.reason, "CountsSlowed");
        assert!(gap.message.contains("--rabbitmq-requests-per-second"), "{gap}");
        assert_eq!(pool.subscription.gaps().by_worker.map(|gap| gap.reason), Some("CountsSlowed"));
    }
    // What waits is none of the management API's business.
    let age = oldest(&all, clock, 5).await;
    assert!(age < 6.0, "{age} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_brokers_delay_none_of_fifty_pools_on_a_healthy_one() {
    let server = rabbitmq().await;
    let vhost = server.vhost("fifty").await.unwrap();
    declare(server, &vhost, 50).await;
    let clock = Clock::starting_at(SystemTime::now());
    let readers = Arc::new(awp::brokers::live(clock, rand::random::<f64>));
    let pools = pools(&readers, &admin(server, &vhost), 50);
    for (number, pool) in pools.iter().enumerate() {
        pool.subscription.set_interest(BUSY);
        pool.ready(number as u64 % 3).await;
    }
    let before = oldest(&pools, clock, 10).await;

    let hole = BlackHole::open().await;
    let broken = |uri: &str, management: &str| Identity::new(uri, Some(management), "u", "p", None, None).unwrap();
    // Silent, in nobody's network, and a silent management API beside the healthy broker itself.
    let dead = [
        broken(&hole.uri("amqp"), &hole.uri("http")),
        broken("amqp://192.0.2.1", "http://192.0.2.1:15672"),
        Identity { management: vec![hole.uri("http")], ..admin(server, &vhost) },
    ];
    let victims: Vec<Watching> =
        (0..30).map(|number| watch(&readers, &dead[number % 3], &format!("queue-{number}")).with(BUSY)).collect();
    for victim in victims.iter().filter(|victim| victim.subscription.latest().is_none()) {
        victim.wait("any answer", || victim.subscription.latest()).await;
    }
    let after = oldest(&pools, clock, 20).await;
    println!("oldest reading: {before:.2} s alone, {after:.2} s beside dead brokers");
    assert!(after < before + 1.0, "{before} s before, {after} s after");

    server.publish(&vhost, "queue-0", crate::support::tasks(7)).await.unwrap();
    let published = Instant::now();
    pools[0].ready(7).await;
    println!("reaction {:.2} s", published.elapsed().as_secs_f64());
    assert!(published.elapsed() < Duration::from_secs(3));

    let metrics = Metrics::default().with_collector(BrokerMetrics(readers.clone())).render();
    let open = r#"awp_broker_breakers_open{broker="rabbitmq",side="amqp"} 2"#;
    assert!(metrics.contains(open), "{open} is not in\n{metrics}");
    let why = victims[0].unknown("BrokerUnreachable").await;
    assert!(why.message.contains("tried again every 15 s at the latest"), "{why}");
}
