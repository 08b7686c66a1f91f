//! What fails, and whom it concerns.

use awp::aws::{Identity, Login};
use awp::brokers::Live;
use awp_testbed::{Sqs, sqs};
use tokio::net::TcpListener;

use crate::readings::{not_delayed, seconds_until};
use crate::support::{BUSY, Watching, answering, bodies, identity, readers, watch, watch_as};

#[tokio::test]
async fn a_missing_queue_is_named_and_picked_up_when_it_is_created() {
    let sqs = sqs().await;
    let name = sqs.unique("late", "");
    let readers = readers();
    let watching = watch(&readers, &sqs.endpoint(), &sqs.queue_url(&name));
    let why = watching.unknown("QueueMissing").await;
    assert!(why.message.contains(&name) && why.message.contains("create it"), "{why}");
    assert!(trouble(&readers).is_empty(), "the server itself is well");
    let url = sqs.create(&name, &serde_json::json!({})).await.unwrap();
    sqs.send(&url, bodies(12), 1).await.unwrap();
    watching.known("its messages", |counts| counts.ready == 12).await;
}

fn trouble(readers: &Live) -> Vec<&'static str> {
    let all = readers.status().into_iter().flat_map(|broker| broker.trouble);
    all.map(|trouble| trouble.why.reason).collect()
}

#[tokio::test]
async fn a_server_that_goes_is_told_once_for_all_its_queues_and_comes_back_by_itself() {
    let sqs = Sqs::start().await.unwrap();
    let readers = readers();
    let mut all = vec![];
    for name in ["a", "b", "c"] {
        let url = sqs.create(name, &serde_json::json!({})).await.unwrap();
        sqs.send(&url, bodies(20), 1).await.unwrap();
        all.push(watch(&readers, &sqs.endpoint(), &url).with(BUSY));
    }
    for watching in &all {
        watching.known("twenty", |counts| counts.ready == 20).await;
    }
    sqs.kill().await.unwrap();
    for watching in &all {
        let why = watching.unknown("BrokerUnreachable").await;
        assert!(why.message.contains(&sqs.endpoint()) && !why.message.contains("hunter2"), "{why}");
    }
    assert_eq!(trouble(&readers), ["BrokerUnreachable"]);
    sqs.start_again().await.unwrap();
    // Its queues went with it.
    for watching in &all {
        watching.unknown("QueueMissing").await;
    }
    assert!(trouble(&readers).is_empty());
    sqs.shut_down().await.unwrap();
}

#[tokio::test]
async fn a_server_that_takes_connections_and_never_answers_delays_nobody_else() {
    let black_hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hole = format!("http://{}", black_hole.local_addr().unwrap());
    let sqs = sqs().await;
    let readers = readers();
    let mut healthy = vec![];
    for _ in 0..50 {
        let (url, _) = sqs.queue("healthy").await.unwrap();
        sqs.send(&url, bodies(20), 1).await.unwrap();
        healthy.push(watch(&readers, &sqs.endpoint(), &url).with(BUSY));
    }
    for watching in &healthy {
        watching.known("twenty", |counts| counts.ready == 20).await;
    }
    let alone = next_looks(&healthy).await;
    let lost: Vec<Watching> =
        (0..50).map(|number| watch(&readers, &hole, &format!("{hole}/000000000000/q{number}")).with(BUSY)).collect();
    let beside = next_looks(&healthy).await;
    not_delayed(&alone, &beside);
    for watching in &lost {
        watching.unknown("BrokerUnreachable").await;
    }
    not_delayed(&alone, &next_looks(&healthy).await);
}

/// Seconds until each was looked at again, several times.
async fn next_looks(all: &[Watching]) -> Vec<f64> {
    let mut seconds = vec![];
    for _ in 0..4 {
        let next = all.iter().map(async |watching| {
            let before = watching.known("a look", |_| true).await.at;
            watching.known("a later look", |counts| counts.at > before).await
        });
        seconds.extend(seconds_until(next).await);
    }
    seconds
}

#[tokio::test]
async fn what_is_no_sqs_is_told_so() {
    let address = answering(404, "<html>planted-hunter2</html>").await;
    let readers = readers();
    let why = watch(&readers, &address, &format!("{address}/000000000000/q")).unknown("NotSqs").await;
    assert!(why.message.contains("check endpoint and region") && !why.message.contains("hunter2"), "{why}");
}

#[tokio::test]
async fn an_address_that_cannot_be_asked_is_refused_before_anything_is_sent() {
    let readers = readers();
    let linked = Identity { endpoint: Some("http://169.254.169.254".into()), ..identity("x") };
    watch_as(&readers, linked, "http://169.254.169.254/000000000000/q").unknown("InvalidUri").await;
    let ambient = Identity { region: "eu-west-1".into(), endpoint: None, login: Login::Ambient };
    watch_as(&readers, ambient, "not a url").unknown("InvalidUri").await;
}
