//! Three nodes: a leader killed, a majority lost, all restarted, with a backlog of 100 standing. Nothing that is read
//! meanwhile may shrink a pool whose tasks wait, nor wake one whose queue is empty.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use awp::clock::Clock;
use awp::scaling::decide::decide;
use awp::scaling::observation::{ErrorClass, Observation, QueueReading, Worker, WorkerPhase};
use awp::scaling::settings::{DrainSupport, Mode, Prefetch, Settings};
use awp::scaling::state::State;
use awp::scaling::time::Timestamp;
use awp_testbed::rabbitmq::{Cluster, Options};
use tokio::sync::Mutex;

use crate::support::{BUSY, Watching, admin, amqp_only, readers, tasks, watch};

/// Two clusters at once are six nodes on machines of two cores.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

const STANDING: u64 = 100;
const WORKERS: u32 = 10;

/// Longer than anything said of the queue is remembered.
const LONG: Duration = Duration::from_secs(22);

#[tokio::test]
async fn with_short_ticks_no_failure_of_the_cluster_is_read_as_an_empty_queue() {
    outlive(Options { tls: false, ..Options::default() }).await;
}

#[tokio::test]
async fn with_the_ticks_of_an_ordinary_broker_no_failure_of_the_cluster_is_read_as_an_empty_queue() {
    let ordinary =
        Options { tls: false, quorum_tick_interval: 5_000, statistics_interval: 5_000, ..Options::default() };
    outlive(ordinary).await;
}

async fn outlive(options: Options) {
    let _alone = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::start(options).await.unwrap();
    let vhost = cluster.nodes()[0].vhost("cluster").await.unwrap();
    for queue in ["standing", "asleep"] {
        cluster.nodes()[0].declare_quorum(&vhost, queue).await.unwrap();
    }
    cluster.nodes()[0].publish(&vhost, "standing", tasks(STANDING as usize)).await.unwrap();
    let readers = readers();
    let pools: Arc<Vec<Pool>> = Arc::new(
        cluster
            .nodes()
            .iter()
            .flat_map(|node| {
                let (full, bare) = (admin(node, &vhost), amqp_only(node, &vhost));
                [
                    Pool::working(watch(&readers, &full, "standing").with(BUSY), true),
                    Pool::working(watch(&readers, &bare, "standing").with(BUSY), false),
                    Pool::sleeping(watch(&readers, &full, "asleep")),
                    Pool::sleeping(watch(&readers, &bare, "asleep")),
                ]
            })
            .collect(),
    );
    for pool in pools.iter() {
        pool.watching.ready(pool.messages).await;
    }
    let over = Arc::new(AtomicBool::new(false));
    let looks = Arc::new(AtomicUsize::new(0));
    let guard = tokio::spawn(guard(pools.clone(), over.clone(), looks.clone()));

    let leader = cluster.leader(0, &vhost, "standing").await.unwrap();
    let others: Vec<usize> = (0..3).filter(|node| *node != leader).collect();
    cluster.nodes()[leader].kill().await.unwrap();
    pools[4 * leader].watching.unknown("BrokerUnreachable").await;
    tokio::time::sleep(LONG).await;
    for node in &others {
        pools[4 * node].watching.ready(STANDING).await;
    }

    cluster.nodes()[others[0]].kill().await.unwrap();
    // One of three is no majority: a zero of its would mean nothing.
    tokio::time::sleep(LONG).await;
    let gaps = pools[4 * others[1]].watching.subscription.gaps();
    println!("without a majority: {:?}, {gaps:?}", pools[4 * others[1]].watching.subscription.latest());
    assert!(gaps.in_flight.is_none_or(|why| why.class != ErrorClass::Misconfigured), "an outage is nobody's mistake");
    for node in [leader, others[0]] {
        cluster.nodes()[node].start_again().await.unwrap();
    }
    for pool in pools.iter() {
        pool.watching.ready(pool.messages).await;
    }

    cluster.stop().await.unwrap();
    for pool in pools.iter() {
        pool.watching.unknown("BrokerUnreachable").await;
    }
    cluster.start_again().await.unwrap();
    for pool in pools.iter() {
        pool.watching.ready(pool.messages).await;
    }
    tokio::time::sleep(Duration::from_secs(8)).await;
    over.store(true, Ordering::Relaxed);
    guard.await.unwrap();
    assert!(looks.load(Ordering::Relaxed) > 1_000, "too few looks to say anything");
    cluster.shut_down().await.unwrap();
}

/// What is read of a queue, and what the law would make of it.
struct Pool {
    watching: Watching,
    /// In its queue all the time.
    messages: u64,
    /// Pods it has.
    workers: u32,
    /// The management API is read as well: then a zero is never known of a queue that holds something.
    listed: bool,
}

impl Pool {
    fn working(watching: Watching, listed: bool) -> Self {
        Self { watching, messages: STANDING, workers: WORKERS, listed }
    }

    fn sleeping(watching: Watching) -> Self {
        Self { watching, messages: 0, workers: 0, listed: true }
    }

    fn observe(&self, queue: QueueReading) -> Observation {
        Observation {
            queue,
            workers: (0..self.workers).map(worker).collect(),
            replicas: Some(self.workers),
            growth_refused: None,
        }
    }
}

/// Decides a hundred times faster than the operator does, with no window that would hide a wrong reading.
async fn guard(pools: Arc<Vec<Pool>>, over: Arc<AtomicBool>, looks: Arc<AtomicUsize>) {
    let clock = Clock::starting_at(SystemTime::now());
    let mut states: Vec<State> = pools.iter().map(|_| State::new(clock.now())).collect();
    while !over.load(Ordering::Relaxed) {
        for (pool, state) in pools.iter().zip(&mut states) {
            let Some(reading) = pool.watching.subscription.latest() else { continue };
            if let QueueReading::Known(counts) = &reading
                && (pool.listed || counts.ready > 0)
            {
                assert_eq!(counts.ready, pool.messages, "{counts:?}");
            }
            let (next, decision) = decide(state, &settings(), &pool.observe(reading.clone()), clock.now());
            assert_eq!(decision.applied, pool.workers, "{}: {reading:?}", decision.reason);
            *state = next;
            looks.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn worker(number: u32) -> Worker {
    Worker {
        name: format!("pod-{number}"),
        created: Timestamp(0.0),
        phase: WorkerPhase::Ready,
        first_ready: Some(Timestamp(1.0)),
        slots: 4,
        memory_limit: 0,
        revision: "1".into(),
        node: None,
        restarts: 0,
        deletion_cost: 0,
        report: None,
        oom_killed: false,
    }
}

fn settings() -> Settings {
    Settings {
        mode: Mode::Auto,
        hold_replicas: None,
        min_replicas: 0,
        max_replicas: WORKERS,
        max_concurrency: None,
        max_memory: None,
        start_within: 60.0,
        task_duration: 600.0,
        warm_slots: 0,
        scale_down_window: Some(0.0),
        fallback: None,
        prefetch: Prefetch::Fixed(4),
        container_memory: None,
        worker_memory: None,
        reports: false,
        drain_timeout: 60.0,
        drain: DrainSupport::IdleOnly,
    }
}
