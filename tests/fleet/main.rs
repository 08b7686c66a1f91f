//! Two hundred pools on one broker cost what does not depend on the machine: no more connections and requests than
//! twenty do, and nothing is written where nothing happens. The operator, the API server and the broker are real, the
//! pods are kwok's. Times and shares of a processor are for `make bench`.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod looks;

use awp_testbed::bench::broker::Kind;
use looks::{LARGE, Look, look_at, looks};

/// One watch per kind of object and one for the Secret; and sixteen requests at a time, whose connections stay open for
/// a while and are free for the next request only when their answer has been read to its end.
const MOST_TO_API_SERVER: usize = 7 + 2 * 16;

#[tokio::test]
async fn connections_do_not_grow_with_the_number_of_pools() {
    let looks = looks().await;
    for look in [&looks.small, &looks.large] {
        let rest = &look.rest;
        assert_eq!((rest.connections["AMQP"], rest.connections["management"]), (1, 1), "{rest:#?}");
        assert!(rest.api_server_connections <= MOST_TO_API_SERVER, "{rest:#?}");
    }
}

#[tokio::test]
async fn requests_to_the_management_api_do_not_grow_with_the_number_of_pools() {
    let looks = looks().await;
    let (small, large) = (looks.small.management_requests(), looks.large.management_requests());
    // Where in its periods a look begins decides about one request of each of the four kinds.
    assert!(small > 0.0 && large <= small + 4.0, "{small} requests for a few pools, {large} for many");
}

#[tokio::test]
async fn a_queue_is_asked_for_at_most_once_a_second() {
    let looks = looks().await;
    for look in [&looks.small, &looks.large] {
        let per_queue = look.rest.requests("declare") / look.pools as f64;
        // Periods are spread by a tenth, and the heartbeats are counted as well.
        assert!(per_queue <= 1.15, "{per_queue} times a second: {:#?}", look.rest);
    }
}

#[tokio::test]
async fn a_fleet_at_rest_writes_nothing() {
    let looks = looks().await;
    for look in [&looks.small, &looks.large] {
        assert!(look.rest.api_written.is_empty(), "{:#?}", look.rest);
    }
}

#[tokio::test]
async fn a_pass_over_an_unchanged_pool_makes_no_api_call() {
    let looks = looks().await;
    assert!(looks.large.passes >= LARGE as u64, "every pool was looked at: {} passes", looks.large.passes);
    assert_eq!(looks.large.rest.api_requests, 0, "but for watches that are renewed: {:#?}", looks.large.rest);
}

/// Pools on the brokers whose bounds are in the number of pools.
const POOLS: usize = 40;

fn assert_calm(look: &Look) {
    let rest = &look.rest;
    assert!(rest.api_written.is_empty() && rest.api_requests == 0, "{rest:#?}");
    assert!(rest.api_server_connections <= MOST_TO_API_SERVER, "{rest:#?}");
}

#[tokio::test]
async fn kafka_is_asked_for_all_pools_together_over_few_connections() {
    let look = look_at(Kind::Kafka, POOLS).await;
    let rest = &look.rest;
    // A poll in 0.9 s at the earliest.
    let polls = rest.requests("OffsetFetch");
    assert!(polls > 0.0 && polls <= 1.15, "{rest:#?}");
    // What groups committed, who is in them by either protocol, where partitions end; now and then where things are.
    assert!(rest.all_requests() <= 5.0 * polls, "{rest:#?}");
    assert_eq!(rest.connections["Kafka"], 1, "{rest:#?}");
    assert_calm(&look);
}

#[tokio::test]
async fn an_idle_queue_of_sqs_is_asked_for_at_most_once_in_twenty_seconds() {
    let look = look_at(Kind::Sqs, POOLS).await;
    let rest = &look.rest;
    // Whose look falls at the edges of the time is counted twice.
    let looks = rest.all_requests() * rest.seconds;
    let most = POOLS as f64 * (rest.seconds / 20.0).ceil();
    assert!(looks > 0.0 && looks <= most, "{looks} looks, at most {most}: {rest:#?}");
    assert_calm(&look);
}
