//! What reading costs the broker, and what one broker's trouble costs the others.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use awp::brokers::Live;
use awp::brokers::metrics::BrokerMetrics;
use awp::brokers::rabbitmq::{Identity, Limits};
use awp::clock::Clock;
use awp::ops::metrics::Metrics;
use awp::scaling::observation::QueueReading;
use awp_testbed::base::relay::{Front, Protocol, Relay};
use awp_testbed::bench::process::Process;
use awp_testbed::rabbitmq::Options;
use awp_testbed::{RabbitMq, rabbitmq};
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel};
use tokio::time::{Instant, sleep};

use crate::many::declare;
use crate::outages::BlackHole;
use crate::readings::{not_delayed, seconds_until};
use crate::support::{BUSY, BY_WORKER, Watching, admin, amqp_only, readers, watch};

/// Counts the requests to the management API.
async fn counter(server: &RabbitMq) -> Relay {
    let management = format!("127.0.0.1:{}", server.management_port());
    Front::open().await.unwrap().before(&management, Protocol::Http)
}

/// The administrator, whose management API is behind the counter.
fn counted(counter: &Relay, server: &RabbitMq, vhost: &str) -> Identity {
    Identity { management: vec![format!("http://127.0.0.1:{}", counter.port())], ..admin(server, vhost) }
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
    let counter = counter(server).await;
    let readers = readers();
    let started = Instant::now();
    let pools: Vec<Watching> = pools(&readers, &counted(&counter, server, &vhost), 1_000);
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
    let counter = counter(server).await;
    let readers = readers();
    let pools = pools(&readers, &counted(&counter, server, &vhost), 100);
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
async fn five_thousand_pools_are_read_every_five_seconds_and_say_so() {
    const POOLS: usize = 5_000;
    let server = RabbitMq::start(Options::default()).await.unwrap();
    let vhost = server.vhost("crowd").await.unwrap();
    let began = Instant::now();
    declare(&server, &vhost, POOLS).await;
    println!("declared in {:.1} s", began.elapsed().as_secs_f64());
    let counter = counter(&server).await;
    let clock = Clock::starting_at(SystemTime::now());
    let readers = Arc::new(awp::brokers::live(clock, rand::random::<f64>));
    let memory = || Process(std::process::id()).memory().unwrap().0 / 1_000_000;
    let (without, started) = (memory(), Instant::now());
    let pools: Vec<Watching> = pools(&readers, &counted(&counter, &server, &vhost), POOLS);
    for pool in &pools {
        pool.subscription.set_interest(BY_WORKER);
    }
    for (number, pool) in pools.iter().enumerate() {
        let ready = number as u64 % 3;
        pool.known("ready and unacked", |counts| counts.ready == ready && counts.unacked.is_some()).await;
    }
    println!("all read after {:.1} s", started.elapsed().as_secs_f64());
    for pool in &pools {
        let gap = pool.gap("the slow reading", |gaps| gaps.ready).await;
        assert!(gap.reason == "ReadingSlowed" && gap.message.contains("every 5 s"), "{gap}");
    }
    let metrics = Metrics::default().with_collector(BrokerMetrics(readers.clone())).render();
    let period = r#"awp_broker_look_period_seconds{broker="rabbitmq"} 5.0"#;
    assert!(metrics.contains(period), "{period} is not in\n{metrics}");

    let (requests, before, broker) = (counter.count(), looks(&readers), Process(server.pid().await.unwrap()));
    let (began, cpu) = (Instant::now(), broker.cpu().unwrap());
    let age = oldest(&pools, clock, 12).await;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = broker.cpu().unwrap().saturating_sub(cpu).as_secs_f64() / seconds;
    let (requests, rate) = ((counter.count() - requests) as f64 / seconds, (looks(&readers) - before) as f64 / seconds);
    println!("{rate:.0} looks/s, {requests:.2} requests/s, oldest {age:.1} s, broker {:.0} % of a core", cpu * 100.0);
    println!("memory: {without} MB before, {} MB", memory());
    assert!(rate <= 1_050.0, "{rate} looks/s");
    assert!(requests <= 2.0, "{requests} requests/s");
    assert_eq!(server.connections(&vhost).await.unwrap(), 1);
    server.shut_down().await.unwrap();
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

/// Of 50 pools: how soon each saw a task, several times, and the age of the oldest reading in a while.
struct Times {
    reactions: Vec<f64>,
    oldest: f64,
}

const ROUNDS: u64 = 6;

/// In each round every pool gets a task; `before` is how many it got already.
async fn reactions(publisher: &Channel, pools: &[Watching], before: u64) -> Vec<f64> {
    let mut seconds = Vec::new();
    for tasks in before + 1..=before + ROUNDS {
        for number in 0..pools.len() {
            let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
            let queue = format!("queue-{number}");
            publisher.basic_publish("".into(), queue.as_str().into(), options, b"task", properties).await.unwrap();
        }
        let seen = (0..).zip(pools).map(|(number, pool)| pool.ready(number % 3 + tasks));
        seconds.extend(seconds_until(seen).await);
    }
    seconds
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
    let publisher = server.connect(&vhost).await.unwrap().create_channel().await.unwrap();
    let alone = Times { reactions: reactions(&publisher, &pools, 0).await, oldest: oldest(&pools, clock, 10).await };

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
    // First while they are tried for the first time, then while they are tried again.
    let reactions = reactions(&publisher, &pools, ROUNDS).await;
    for victim in victims.iter().filter(|victim| victim.subscription.latest().is_none()) {
        victim.wait("any answer", || victim.subscription.latest()).await;
    }
    let beside = Times { reactions, oldest: oldest(&pools, clock, 20).await };
    not_delayed(&alone.reactions, &beside.reactions);
    not_delayed(&[alone.oldest], &[beside.oldest]);

    let metrics = Metrics::default().with_collector(BrokerMetrics(readers.clone())).render();
    let open = r#"awp_broker_breakers_open{broker="rabbitmq",side="amqp"} 2"#;
    assert!(metrics.contains(open), "{open} is not in\n{metrics}");
    let why = victims[0].unknown("BrokerUnreachable").await;
    assert!(why.message.contains("tried again every 15 s at the latest"), "{why}");
}
