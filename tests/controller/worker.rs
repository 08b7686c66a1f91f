//! A worker as the broker sees it: a connection that carries the pod's name.

use futures::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};

use crate::stage::Stage;

pub struct Worker {
    _connection: Connection,
    held: Vec<Delivery>,
}

impl Worker {
    /// Takes `tasks` in the name of the pod and keeps them.
    pub async fn holding(stage: &Stage<'_>, queue: &str, pod: &str, tasks: u16) -> Self {
        let properties = ConnectionProperties::default().with_connection_name(pod.into());
        let connection = Connection::connect(&stage.broker.admin_uri(&stage.vhost), properties).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.basic_qos(tasks, BasicQosOptions::default()).await.unwrap();
        let mut consumer = channel
            .basic_consume(queue.into(), pod.into(), BasicConsumeOptions::default(), FieldTable::default())
            .await
            .unwrap();
        let mut held = Vec::new();
        for _ in 0..tasks {
            held.push(consumer.next().await.unwrap().unwrap());
        }
        // Deliveries keep the channel open; the consumer's end would cancel it.
        std::mem::forget(consumer);
        Self { _connection: connection, held }
    }

    pub async fn finish(&mut self) {
        for task in self.held.drain(..) {
            assert!(task.ack(BasicAckOptions::default()).await.unwrap());
        }
    }
}
