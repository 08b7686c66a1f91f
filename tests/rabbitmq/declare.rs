//! Creating what a pool wants there to be, and leaving alone what is there otherwise.

use std::sync::Arc;
use std::time::Duration;

use awp::brokers::rabbitmq::{Binding, DeadLetter, Declare, Identity, QueueType, Source as Queue};
use awp::brokers::{Brokers, DeadLetterTarget, Declaration, Live, Source};
use awp::scaling::observation::{ErrorClass, Unknown};
use awp_testbed::rabbitmq::User;
use awp_testbed::{RabbitMq, rabbitmq};
use lapin::ExchangeKind;
use lapin::options::ExchangeDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::Value;
use tokio::sync::Notify;

use crate::support::{BUSY, Watching, admin, amqp_only, login, readers, tasks};

fn wish() -> Declare {
    Declare {
        queue_type: QueueType::Quorum,
        max_priority: None,
        message_ttl: Some(300_000),
        consumer_timeout: Some(3_000_000),
        bindings: vec![Binding { exchange: "agent_tasks".into(), routing_key: "research.#".into() }],
        dead_letter: Some(DeadLetter {
            exchange: "agent_dlx".into(),
            routing_key: "failed".into(),
            queue: "failed_tasks".into(),
        }),
    }
}

fn plain(queue_type: QueueType) -> Declare {
    Declare {
        queue_type,
        max_priority: None,
        message_ttl: None,
        consumer_timeout: None,
        bindings: Vec::new(),
        dead_letter: None,
    }
}

fn declaring(readers: &Live, broker: &Identity, queue: &str, declare: Declare) -> Watching {
    let wake = Arc::new(Notify::new());
    let source =
        Queue { broker: broker.clone(), queue: queue.to_owned(), dead_letter_queue: None, declare: Some(declare) };
    Watching::new(readers.subscribe(Source::RabbitMq(source), wake.clone()), wake, queue)
}

impl Watching {
    async fn declared(&self) {
        let ready = || (self.subscription.declaration()? == Declaration::Ready).then_some(());
        self.wait("the declaration", ready).await;
    }

    async fn refused(&self, reason: &str) -> Unknown {
        let refused = || match self.subscription.declaration()? {
            Declaration::Refused(why) if why.reason == reason => Some(why),
            _ => None,
        };
        self.wait(reason, refused).await
    }
}

/// Queues, exchanges and bindings of a vhost, without what changes by itself.
async fn topology(server: &RabbitMq, vhost: &str) -> Value {
    let mut all = serde_json::Map::new();
    for kind in ["queues", "exchanges", "bindings"] {
        let columns = "name,type,durable,arguments,source,destination,routing_key";
        let path = format!("/api/{kind}/{vhost}?disable_stats=true&enable_queue_totals=true&columns={columns}");
        all.insert(kind.to_owned(), server.management_get(&path).await.unwrap());
    }
    Value::Object(all)
}

async fn publish(server: &RabbitMq, vhost: &str, exchange: &str, key: &str) {
    server.publish_to(vhost, exchange, key, tasks(1)).await.unwrap();
}

#[tokio::test]
async fn all_of_it_is_made_once_and_asking_again_changes_nothing() {
    let server = rabbitmq().await;
    let vhost = server.vhost("declare").await.unwrap();
    let first = readers();
    // With workers, so that lists are read every few seconds.
    let pool = declaring(&first, &admin(server, &vhost), "research", wish()).with(BUSY);
    pool.declared().await;
    let made = topology(server, &vhost).await;
    let queue = made["queues"].as_array().unwrap().iter().find(|queue| queue["name"] == "research").unwrap();
    let expected = serde_json::json!({
        "x-queue-type": "quorum", "x-message-ttl": 300_000, "x-consumer-timeout": 3_000_000,
        "x-dead-letter-exchange": "agent_dlx", "x-dead-letter-routing-key": "failed",
    });
    assert_eq!((&queue["arguments"], &queue["durable"]), (&expected, &Value::Bool(true)));

    publish(server, &vhost, "agent_tasks", "research.market.today").await;
    pool.ready(1).await;
    publish(server, &vhost, "agent_dlx", "failed").await;
    let facts = pool.facts().await;
    let Some(DeadLetterTarget::Exchange { exchange, routing_key, queue }) = facts.dead_letter else { panic!() };
    assert_eq!((exchange.as_str(), routing_key.as_str()), ("agent_dlx", "failed"));
    assert_eq!(queue.as_deref(), Some("failed_tasks"));
    assert_eq!(facts.queue_type.as_deref(), Some("quorum"));
    pool.known("the dead letter", |counts| counts.dead_letters == Some(1)).await;

    let second = readers();
    declaring(&second, &admin(server, &vhost), "research", wish()).declared().await;
    assert_eq!(topology(server, &vhost).await, made);
}

#[tokio::test]
async fn without_the_management_api_the_dead_letters_way_is_known_from_the_declaration() {
    let server = rabbitmq().await;
    let vhost = server.vhost("declare-amqp").await.unwrap();
    let readers = readers();
    let pool = declaring(&readers, &amqp_only(server, &vhost), "research", wish());
    let target = pool.facts().await.dead_letter.unwrap();
    assert_eq!(target.queue(), Some("failed_tasks"));
}

#[tokio::test]
async fn a_queue_with_another_argument_is_left_alone_and_both_values_are_named() {
    let server = rabbitmq().await;
    let vhost = server.vhost("differs").await.unwrap();
    let quorum = ("x-queue-type", AMQPValue::LongString("quorum".into()));
    let number = |name, value| (name, AMQPValue::LongLongInt(value));
    let arguments: [(&str, &[_]); 4] = [
        ("other-ttl", &[quorum.clone(), number("x-message-ttl", 60_000)]),
        ("no-ttl", std::slice::from_ref(&quorum)),
        ("limited", &[quorum.clone(), number("x-message-ttl", 300_000), number("x-max-length", 5)]),
        // The broker names one difference only, the type last.
        ("classic", &[("x-queue-type", AMQPValue::LongString("classic".into())), number("x-message-ttl", 300_000)]),
    ];
    for (queue, arguments) in arguments {
        server.declare(&vhost, queue, arguments).await.unwrap();
    }
    server.publish(&vhost, "other-ttl", tasks(2)).await.unwrap();
    let before = topology(server, &vhost).await;
    let readers = readers();
    let wish = Declare {
        message_ttl: Some(300_000),
        bindings: vec![Binding { exchange: "never_made".into(), routing_key: "#".into() }],
        ..plain(QueueType::Quorum)
    };
    for (queue, said) in [
        ("other-ttl", "x-message-ttl 60000 instead of 300000"),
        ("no-ttl", "x-message-ttl none instead of 300000"),
        ("limited", "x-max-length 5 instead of none"),
        ("classic", "x-queue-type classic instead of quorum"),
    ] {
        let pool = declaring(&readers, &admin(server, &vhost), queue, wish.clone());
        let why = pool.refused("QueueDiffers").await;
        assert!(why.message.contains(said) && why.message.contains("left as it is"), "{why}");
        assert_eq!(why.class, ErrorClass::Misconfigured);
    }
    assert_eq!(topology(server, &vhost).await, before);
    // It is read all the same.
    declaring(&readers, &admin(server, &vhost), "other-ttl", wish).ready(2).await;
}

#[tokio::test]
async fn a_classic_queue_without_a_named_type_is_the_classic_queue_that_is_asked_for() {
    let server = rabbitmq().await;
    let vhost = server.vhost("plain").await.unwrap();
    server.declare(&vhost, "plain", &[]).await.unwrap();
    let readers = readers();
    let broker = admin(server, &vhost);
    declaring(&readers, &broker, "plain", plain(QueueType::Classic)).declared().await;
    let priorities = Declare { max_priority: Some(10), ..plain(QueueType::Classic) };
    let why = declaring(&readers, &broker, "plain", priorities.clone()).refused("QueueDiffers").await;
    assert!(why.message.contains("x-max-priority none instead of 10"), "{why}");
    declaring(&readers, &broker, "with-priorities", priorities).declared().await;
}

#[tokio::test]
async fn exchanges_and_the_dead_letter_queue_are_used_as_they_are() {
    let server = rabbitmq().await;
    let vhost = server.vhost("shared").await.unwrap();
    server.declare_classic(&vhost, "failed_tasks").await.unwrap();
    let connection = server.connect(&vhost).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    for (exchange, kind) in [("agent_tasks", ExchangeKind::Direct), ("agent_dlx", ExchangeKind::Fanout)] {
        channel.exchange_declare(exchange.into(), kind, options, FieldTable::default()).await.unwrap();
    }
    let readers = readers();
    let mut wish = wish();
    wish.bindings[0].routing_key = "exactly".into();
    let pool = declaring(&readers, &admin(server, &vhost), "research", wish);
    pool.declared().await;
    publish(server, &vhost, "agent_tasks", "exactly").await;
    pool.ready(1).await;
    publish(server, &vhost, "agent_dlx", "whatever").await;
    assert_eq!(server.ready(&vhost, "failed_tasks").await.unwrap(), 1);
}

#[tokio::test]
async fn a_missing_permission_is_named_and_found_once_it_is_given() {
    let server = rabbitmq().await;
    let vhost = server.vhost("rights").await.unwrap();
    let user = format!("declarer-{vhost}");
    let rights = |patterns| User { name: &user, password: "p", tags: "management", permissions: patterns };
    let all = "^(research|failed_tasks|agent_dlx|agent_tasks)$";
    server.add_user(rights(["^$", "^$", "^$"]), &vhost).await.unwrap();
    let readers = readers();
    let broker = login(server, &vhost, &user, "p");
    for (patterns, said) in [
        (["^$", all, all], "configure on exchange \"agent_dlx\""),
        (["^agent_", all, all], "configure on queue \"failed_tasks\""),
        ([all, "^$", all], "write on queue \"failed_tasks\""),
        ([all, all, "^$"], "read on exchange \"agent_dlx\""),
        ([all, "^(failed_tasks|research)$", all], "write on exchange \"agent_dlx\""),
    ] {
        server.set_permissions(&user, &vhost, patterns).await.unwrap();
        // Opened anew: permissions are remembered per channel.
        let pool = declaring(&readers, &broker, "research", wish());
        let why = pool.refused("PermissionMissing").await;
        assert!(why.message.contains(said) && why.message.contains(&user), "{patterns:?}: {why}");
    }
    server.set_permissions(&user, &vhost, [all; 3]).await.unwrap();
    declaring(&readers, &broker, "research", wish()).declared().await;
}

#[tokio::test]
async fn a_deleted_queue_is_made_again_with_its_bindings() {
    let server = rabbitmq().await;
    let vhost = server.vhost("deleted").await.unwrap();
    let readers = readers();
    let pool = declaring(&readers, &admin(server, &vhost), "research", wish());
    pool.declared().await;
    publish(server, &vhost, "agent_tasks", "research.a").await;
    pool.ready(1).await;
    let made = topology(server, &vhost).await;
    server.delete_queue(&vhost, "research").await.unwrap();
    pool.ready(0).await;
    publish(server, &vhost, "agent_tasks", "research.b").await;
    pool.ready(1).await;
    assert_eq!(topology(server, &vhost).await, made);
}

#[tokio::test]
async fn a_fulfilled_wish_keeps_no_connection_and_asks_for_nothing() {
    let server = rabbitmq().await;
    let vhost = server.vhost("quiet").await.unwrap();
    let readers = readers();
    let broker = amqp_only(server, &vhost);
    let pools: Vec<Watching> = (0..20)
        .map(|number| declaring(&readers, &broker, &format!("queue-{number}"), plain(QueueType::Classic)))
        .collect();
    for pool in &pools {
        pool.declared().await;
        pool.ready(0).await;
    }
    assert_eq!(server.connections(&vhost).await.unwrap(), 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(server.connections(&vhost).await.unwrap(), 1);
}

#[tokio::test]
async fn a_stream_is_refused_with_the_reason() {
    let server = rabbitmq().await;
    let vhost = server.vhost("stream").await.unwrap();
    server.declare(&vhost, "log", &[("x-queue-type", AMQPValue::LongString("stream".into()))]).await.unwrap();
    let readers = readers();
    let read = crate::support::watch(&readers, &admin(server, &vhost), "log");
    let why = read.unknown("QueueTypeUnsupported").await;
    assert!(why.message.contains("stream") && why.message.contains("quorum or a classic queue"), "{why}");
    let declared = declaring(&readers, &amqp_only(server, &vhost), "log", plain(QueueType::Quorum));
    let why = declared.refused("QueueDiffers").await;
    assert!(why.message.contains("x-queue-type stream instead of quorum"), "{why}");
}
