//! Who holds what: unacked by the connection names of workers.

use awp_testbed::rabbitmq;
use awp_testbed::rabbitmq::{Options, RabbitMq};

use crate::support::{BY_WORKER, Worker, admin, readers, tasks, watch};

#[tokio::test]
async fn unacked_is_counted_by_connection_name() {
    let server = rabbitmq().await;
    let vhost = server.vhost("held").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    server.publish(&vhost, "tasks", tasks(10)).await.unwrap();
    let mut first = Worker::holding(server, &vhost, "tasks", "pod-a", 3).await;
    let _second = Worker::holding(server, &vhost, "tasks", "pod-b", 2).await;
    let readers = readers();
    let watching = watch(&readers, &admin(server, &vhost), "tasks").with(BY_WORKER);
    let held = |name: &'static str, count: u64| {
        watching.known(name, move |counts| {
            counts.unacked_by_worker.as_ref().is_some_and(|by| by.counts.get(name) == Some(&count))
        })
    };
    held("pod-a", 3).await;
    let counts = held("pod-b", 2).await;
    let by_worker = counts.unacked_by_worker.unwrap();
    assert!(by_worker.at < counts.at, "statistics are never as fresh as a look: {by_worker:?}");

    // Gone with its connection: the complete map no longer has it.
    let _ = first.connection.close(200, "OK".into()).await;
    first.forget();
    watching
        .known("pod-a gone", |counts| {
            counts.unacked_by_worker.as_ref().is_some_and(|by| !by.counts.contains_key("pod-a"))
        })
        .await;
}

#[tokio::test]
async fn with_statistics_disabled_unacked_is_known_and_by_worker_is_not() {
    let server = RabbitMq::start(Options { disable_metrics_collector: true, ..Options::default() }).await.unwrap();
    let vhost = server.vhost("off").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    server.publish(&vhost, "tasks", tasks(5)).await.unwrap();
    let _worker = Worker::holding(&server, &vhost, "tasks", "pod-a", 2).await;
    let readers = readers();
    let watching = watch(&readers, &admin(&server, &vhost), "tasks").with(BY_WORKER);
    let gap = watching.gap("disabled statistics", |gaps| gaps.by_worker).await;
    assert_eq!(gap.reason, "StatisticsDisabled");
    let counts = watching.unacked(2).await;
    assert_eq!((counts.ready, counts.unacked_by_worker), (3, None));
}
