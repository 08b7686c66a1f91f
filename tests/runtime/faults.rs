//! What breaks around a worker.

use std::time::Duration;

use awp_testbed::RabbitMq;
use awp_testbed::rabbitmq::{Options, User};
use tokio::sync::OnceCell;

use crate::bench::{Bench, QUEUE, Worker};

/// A node for the tests that stop it; they use it one after the other.
async fn own_node() -> &'static RabbitMq {
    Box::leak(Box::new(RabbitMq::start(Options { management: false, ..Options::default() }).await.unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_loses_nothing() {
    let bench = Bench::new("killed").await;
    bench.simulated("60", "1").await;
    let mut worker = bench.worker(&["--simulate"]).await;
    worker.until_status("at work", |status| status.in_flight == 1).await;
    worker.signal(rustix::process::Signal::KILL);
    worker.ended().await;
    bench.until_counts(1, 0).await;
    assert!(bench.take(QUEUE, 1).await[0].redelivered);
}
