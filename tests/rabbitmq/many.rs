//! Many queues on one broker: missing ones, late ones, and more than a page of them.

use awp_testbed::rabbitmq;
use futures::future::join_all;
use lapin::Connection;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;

use crate::support::{BUSY, Watching, admin, amqp_only, readers, tasks, watch};

#[tokio::test]
async fn a_missing_queue_disturbs_none_of_fifty_others_and_is_picked_up_when_created() {
    let server = rabbitmq().await;
    let vhost = server.vhost("missing").await.unwrap();
    declare(server, &vhost, 50).await;
    let readers = readers();
    let identity = amqp_only(server, &vhost);
    let missing = watch(&readers, &identity, "late");
    let others: Vec<Watching> = (0..50).map(|number| watch(&readers, &identity, &format!("queue-{number}"))).collect();
    let why = missing.unknown("QueueMissing").await;
    assert!(why.message.contains("\"late\"") && why.message.contains("create it"), "{why}");
    for (number, other) in others.iter().enumerate() {
        other.ready(number as u64 % 3).await;
    }
    // They stay fresh although the missing one is asked for again and again.
    let before = others[1].ready(1).await;
    others[1].known("a later look", |counts| counts.at.since(before.at) > 6.0).await;
    missing.unknown("QueueMissing").await;

    server.declare_quorum(&vhost, "late").await.unwrap();
    server.publish(&vhost, "late", tasks(4)).await.unwrap();
    missing.ready(4).await;
    server.delete_queue(&vhost, "late").await.unwrap();
    missing.unknown("QueueMissing").await;
    assert_eq!(server.connections(&vhost).await.unwrap(), 1);
}

#[tokio::test]
async fn six_hundred_queues_are_read_each_with_its_own_count() {
    let server = rabbitmq().await;
    let vhost = server.vhost("many").await.unwrap();
    declare(server, &vhost, 600).await;
    let readers = readers();
    let identity = admin(server, &vhost);
    let all: Vec<Watching> =
        (0..600).map(|number| watch(&readers, &identity, &format!("queue-{number}")).with(BUSY)).collect();
    for (number, watching) in all.iter().enumerate() {
        let ready = number as u64 % 3;
        let counts = watching.known("unacked", |counts| counts.ready == ready && counts.unacked.is_some()).await;
        assert_eq!(counts.unacked.map(|unacked| unacked.count), Some(0));
    }
}

#[tokio::test]
async fn a_name_that_amqp_cannot_carry_is_refused_and_harms_nobody() {
    let server = rabbitmq().await;
    let vhost = server.vhost("names").await.unwrap();
    let odd = "ö/ %2F?\"'\u{1F407}".repeat(5);
    for queue in ["tasks", &odd] {
        server.declare_quorum(&vhost, queue).await.unwrap();
        server.publish(&vhost, queue, tasks(1)).await.unwrap();
    }
    let readers = readers();
    let identity = admin(server, &vhost);
    let healthy = watch(&readers, &identity, "tasks");
    let strange = watch(&readers, &identity, &odd).with(BUSY);
    for name in ["", "tasks\n", &"q".repeat(256)] {
        let why = watch(&readers, &identity, name).unknown("InvalidQueueName").await;
        assert!(why.message.contains("255"), "{why}");
    }
    healthy.ready(1).await;
    strange.known("ready and unacked", |counts| counts.ready == 1 && counts.unacked.is_some()).await;
}

/// Classic queues `queue-N` with N mod 3 messages each.
pub async fn declare(server: &awp_testbed::RabbitMq, vhost: &str, count: usize) {
    const AT_ONCE: usize = 8;
    let connection = server.connect(vhost).await.unwrap();
    let parts = (0..AT_ONCE).map(|part| declare_some(&connection, (part..count).step_by(AT_ONCE)));
    join_all(parts).await;
    connection.close(200, "OK".into()).await.unwrap();
}

async fn declare_some(connection: &Connection, numbers: impl Iterator<Item = usize>) {
    let channel = connection.create_channel().await.unwrap();
    for number in numbers {
        let name = format!("queue-{number}");
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await.unwrap();
        for task in tasks(number % 3) {
            let publish = channel.basic_publish(
                "".into(),
                name.as_str().into(),
                lapin::options::BasicPublishOptions::default(),
                &task,
                lapin::BasicProperties::default(),
            );
            publish.await.unwrap();
        }
    }
    channel.close(200, "OK".into()).await.unwrap();
}
