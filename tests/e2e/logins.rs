//! A password that is replaced under a running pool.

use serde_json::json;

use crate::bench::POOL;
use crate::cluster::bench;

#[tokio::test(flavor = "multi_thread")]
async fn operator_and_workers_go_on_with_a_new_password() {
    let bench = bench("rotation").await;
    let mut pool = bench.pool(&["--simulate"]);
    pool["spec"]["scaling"]["minReplicas"] = json!(1);
    let bench = bench.with(&pool).await;
    let replicas = bench.record(POOL);
    let first = bench.burst(1, "0.1").await;
    bench.until_done(&first).await;

    bench.broker.set_password(&bench.vhost, "second").await.unwrap();
    bench.set_password("second").await;
    // Whoever has not read the new password is locked out now.
    bench.broker.close_connections(&bench.vhost).await.unwrap();
    let second = bench.burst(24, "1,2").await;
    bench.until("the pool grows for what only the new password shows", async || Ok(replicas.now() == 4)).await;
    bench.until_done(&second).await;
    bench.until("it shrinks again", async || Ok(replicas.now() == 1)).await;
    assert_eq!(bench.condition("Ready").await.unwrap(), "True");
    assert_eq!(bench.restarts().await, 0, "no worker had to be restarted");
    assert!(bench.logs().disturbed().is_empty(), "{:?}", bench.logs().disturbed());
}
