//! Connections are counted per broker, not per pool.

use awp_testbed::rabbitmq;

use crate::support::{PATIENCE, Watching, amqp_only, readers, tasks, watch};

#[tokio::test]
async fn two_hundred_pools_share_one_connection_and_the_last_one_closes_it() {
    let server = rabbitmq().await;
    let vhost = server.vhost("shared").await.unwrap();
    for queue in ["one", "two"] {
        server.declare_quorum(&vhost, queue).await.unwrap();
        server.publish(&vhost, queue, tasks(1)).await.unwrap();
    }
    let readers = readers();
    let identity = amqp_only(server, &vhost);
    let pools: Vec<Watching> =
        (0..200).map(|number| watch(&readers, &identity, if number % 2 == 0 { "one" } else { "two" })).collect();
    for pool in &pools {
        pool.ready(1).await;
    }
    assert_eq!(server.connections(&vhost).await.unwrap(), 1);
    let name = server.ctl(&["list_connections", "--quiet", "--no-table-headers", "vhost", "client_properties"]).await;
    let ours = name.unwrap().lines().find(|line| line.starts_with(&vhost)).map(str::to_owned).unwrap();
    assert!(ours.contains("awp-operator"), "{ours}");
    let status = readers.status();
    assert_eq!((status.len(), status[0].subscriptions, status[0].trouble.len()), (1, 200, 0));
    drop(pools);
    assert!(readers.status().is_empty());
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while server.connections(&vhost).await.unwrap() > 0 {
        assert!(tokio::time::Instant::now() < deadline, "the connection stays open without a subscription");
    }
}
