//! Whoever listens where a broker should: none of it holds up or harms anybody else.

use awp::brokers::kafka::Identity;
use awp_testbed::kafka;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::readings::{not_delayed, seconds_until};
use crate::support::{BUSY, identity, plain, readers, wanted, watch};

/// Takes connections and answers each request with `answer` behind the request's own id; nothing at all
/// where there is no answer.
async fn impostor(answer: Option<Vec<u8>>) -> Identity {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 1024];
                while let Ok(read) = stream.read(&mut request).await {
                    if read == 0 {
                        return;
                    }
                    let Some(answer) = &answer else { continue };
                    let mut frame = ((answer.len() + 4) as u32).to_be_bytes().to_vec();
                    frame.extend(&request[8..12]);
                    frame.extend(answer);
                    if stream.write_all(&frame).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    identity(vec![address])
}

/// Tasks that each pool is to see, one after another.
const ROUNDS: u32 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_pools_do_not_notice_a_cluster_that_answers_nobody() {
    let kafka = kafka().await;
    let readers = readers();
    let topic = kafka.topic("tasks", 1).await.unwrap();
    let groups: Vec<String> = (0..50).map(|_| kafka.name("healthy")).collect();
    let pools: Vec<_> = groups.iter().map(|it| watch(&readers, &plain(kafka), &wanted(it, &[&topic]), BUSY)).collect();
    for pool in &pools {
        pool.lag(0).await;
    }
    let producer = kafka.producer().unwrap();
    let mut sent = 0;
    let mut reactions = async || {
        let mut seconds = Vec::new();
        for _ in 0..ROUNDS {
            producer.send(&topic, 0, &["a"]).await.unwrap();
            sent += 1;
            seconds.extend(seconds_until(pools.iter().map(|pool| pool.lag(sent))).await);
        }
        seconds
    };
    let alone = reactions().await;
    let black_hole = impostor(None).await;
    let stuck: Vec<_> =
        (0..5).map(|n| watch(&readers, &black_hole, &wanted(&format!("stuck-{n}"), &["tasks"]), BUSY)).collect();
    let beside = reactions().await;
    not_delayed(&alone, &beside);
    for pool in &stuck {
        pool.unknown("BrokerUnreachable").await;
    }
    let status = readers.status();
    let of = |address: &str| status.iter().find(|it| it.address == address).unwrap();
    assert_eq!((of(&black_hole.address()).subscriptions, of(&black_hole.address()).trouble.len()), (5, 1));
    assert!(of(&plain(kafka).address()).trouble.is_empty());
}

#[tokio::test]
async fn answers_that_lie_about_their_length_are_no_brokers_answers() {
    let readers = readers();
    // No error, and four thousand million versions.
    let lies = impostor(Some(vec![0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f])).await;
    watch(&readers, &lies, &wanted("group", &["tasks"]), BUSY).unknown("NotKafka").await;
    let short = impostor(Some(vec![])).await;
    watch(&readers, &short, &wanted("group", &["tasks"]), BUSY).unknown("NotKafka").await;
}

#[tokio::test]
async fn a_web_server_is_no_broker() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let readers = readers();
    let why = watch(&readers, &identity(vec![address]), &wanted("group", &["tasks"]), BUSY).unknown("NotKafka").await;
    assert!(why.message.contains("check the port"), "{why}");
}
