//! What reading costs: requests of a cluster, not of its pools.

use std::collections::BTreeMap;
use std::time::Duration;

use awp::brokers::kafka::{OffsetReset, Wanted};
use awp_testbed::Kafka;
use awp_testbed::kafka::Options;

use crate::support::{BUSY, plain, readers, wanted, watch_with};

const GROUPS: usize = 250;
const FAILED: usize = 25;

/// Requests that the operator has made, by their name, as the broker logs them.
fn requests(kafka: &Kafka) -> BTreeMap<String, usize> {
    let log = std::fs::read_to_string(kafka.brokers()[0].log().unwrap()).unwrap();
    let mut requests = BTreeMap::new();
    for line in log.lines().filter(|line| line.contains("\"clientId\":\"awp-operator\"")) {
        let name = line.split("\"requestApiKeyName\":\"").nth(1).and_then(|rest| rest.split('"').next());
        *requests.entry(name.unwrap_or("?").to_owned()).or_insert(0) += 1;
    }
    requests
}

#[tokio::test]
async fn two_hundred_and_fifty_pools_cost_two_requests_a_second() {
    let kafka = Kafka::start(Options { request_log: true, ..Options::default() }).await.unwrap();
    let topic = kafka.topic("tasks", 3).await.unwrap();
    kafka.produce(&topic, 0, &["a"; 4]).await.unwrap();
    let mut failed = Vec::new();
    for _ in 0..FAILED {
        failed.push(kafka.topic("failed", 1).await.unwrap());
    }
    let readers = readers();
    let pools: Vec<_> = (0..GROUPS)
        .map(|n| {
            let reset = if n % 2 == 0 { OffsetReset::Earliest } else { OffsetReset::Latest };
            let wanted = Wanted { reset, ..wanted(&format!("group-{n}"), &[&topic]) };
            watch_with(&readers, &plain(&kafka), &wanted, BUSY, Some(&failed[n % FAILED]))
        })
        .collect();
    for (n, pool) in pools.iter().enumerate() {
        let counts = pool.lag(if n % 2 == 0 { 4 } else { 0 }).await;
        assert_eq!(counts.dead_letters, Some(0));
    }
    let before = requests(&kafka);
    tokio::time::sleep(Duration::from_secs(12)).await;
    let after = requests(&kafka);
    let made = |name: &str| after.get(name).unwrap_or(&0) - before.get(name).unwrap_or(&0);
    let all: usize = after.values().sum::<usize>() - before.values().sum::<usize>();
    eprintln!("{GROUPS} groups, 12 s: {all} requests: {after:?}");
    assert!((8..=15).contains(&made("OFFSET_FETCH")), "one a second for all groups: {before:?} {after:?}");
    // Where partitions end, and in between where they begin and who leads them.
    assert!(all <= 2 * 14 + 4, "{before:?} {after:?}");
    assert_eq!(after.get("API_VERSIONS").copied().unwrap_or(0), 2, "bootstrap and broker: {after:?}");
    kafka.shut_down().await.unwrap();
}
