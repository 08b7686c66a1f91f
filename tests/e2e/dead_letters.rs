//! Tasks that fail, and the queue where they end.

use std::collections::BTreeMap;

use awp_testbed::base::wait;
use lapin::BasicProperties;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicPublishOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::json;

use crate::bench::{Bench, FAILED, QUEUE, SOON};
use crate::cluster::bench;

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_task_ends_in_the_queues_own_dead_letter_queue_with_its_reason() {
    let bench = bench("letters").await;
    let script = "case $(cat) in *fine*) exit 0;; esac; exit 3";
    let rules = ["--max-payload", "200", "--task-type", "review", "--exec", "--", "sh", "-c", script];
    let bench = {
        let pool = bench.pool(&rules);
        bench.with(&pool).await
    };
    let task = |id: &str, kind: &str, body: &str| json!({"id": id, "type": kind, "body": body}).to_string() + "\n";
    let tasks = [
        task("good", "review", "fine"),
        task("failing", "review", "breaks"),
        task("large", "review", &"x".repeat(300)),
        task("mistyped", "poem", "fine"),
    ];
    bench.publish(&["--file", "-"], &tasks.concat()).await;
    publish_broken_json(&bench, "broken").await;

    bench
        .until("the pool shows the depth", async || {
            let shown = &bench.status().await?["deadLetter"];
            Ok(shown["queue"] == FAILED && shown["depth"] == 4)
        })
        .await;
    bench.until_done(&["good".to_owned()].into()).await;
    let reasons = take_reasons(&bench, 4).await;
    let reason = |id: &str| reasons[id].as_str();
    assert_eq!(reason("failing"), "the command ended with exit status 3");
    assert!(reason("large").contains("at most 200 are allowed"), "{reasons:?}");
    assert!(reason("mistyped").contains("is not one of: review"), "{reasons:?}");
    assert!(reason("broken").contains("the content type says JSON"), "{reasons:?}");
    bench.until_asleep().await;
}

/// `awp publish` refuses to.
async fn publish_broken_json(bench: &Bench<'_>, id: &str) {
    let connection = bench.broker.connect(&bench.vhost).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut headers = FieldTable::default();
    headers.insert("awp-task-type".into(), AMQPValue::LongString("review".into()));
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_message_id(id.into())
        .with_headers(headers);
    let options = BasicPublishOptions::default();
    channel.basic_publish("".into(), QUEUE.into(), options, b"{\"a\":", properties).await.unwrap().await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
}

/// Takes so many dead letters; answers their reasons by task id.
async fn take_reasons(bench: &Bench<'_>, count: usize) -> BTreeMap<String, String> {
    let connection = bench.broker.connect(&bench.vhost).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut reasons = BTreeMap::new();
    wait::until("dead letters", SOON, async || {
        while let Some(message) = channel.basic_get(FAILED.into(), BasicGetOptions::default()).await? {
            message.ack(BasicAckOptions::default()).await?;
            let properties = &message.properties;
            let headers = properties.headers().as_ref().expect("headers").inner();
            let Some(AMQPValue::LongString(reason)) = headers.get("awp-reason") else { anyhow::bail!("{headers:?}") };
            reasons.insert(properties.message_id().as_ref().unwrap().to_string(), reason.to_string());
        }
        Ok((reasons.len() >= count).then_some(()))
    })
    .await
    .unwrap();
    connection.close(200, "done".into()).await.unwrap();
    reasons
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_place_for_dead_letters_pool_and_workers_say_what_to_do() {
    let bench = bench("nowhere").await;
    bench.broker.delete_queue(&bench.vhost, QUEUE).await.unwrap();
    bench.broker.declare_quorum(&bench.vhost, QUEUE).await.unwrap();
    let mut pool = bench.pool(&["--simulate"]);
    pool["spec"]["scaling"]["minReplicas"] = json!(1);
    let bench = bench.with(&pool).await;
    bench.until("the condition", async || Ok(bench.condition("NoDeadLetterTarget").await? == "True")).await;
    bench.until("the worker's words", async || Ok(bench.logs().say("no place for dead letters"))).await;
    assert!(bench.logs().say("AWP_DEAD_LETTER_ROUTING_KEY"), "{}", bench.logs().tail());

    // The remedy, and nobody has to restart anything.
    pool["spec"]["deadLetter"] = json!({"queue": FAILED});
    bench.apply(&pool).await;
    let ids = bench.burst(1, "0.1").await;
    bench.until_done(&ids).await;
    assert_eq!(bench.condition("NoDeadLetterTarget").await.unwrap(), "");
}
