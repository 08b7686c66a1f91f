//! RabbitMQ: persistent, mandatory, confirmed.

mod declare;
mod send;

use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use lapin::Connection;

use super::tasks::Task;
use super::{Progress, Sent, Target};
use crate::amqp::{self, Endpoint};
use declare::Declared;

pub use declare::dead_letter_queue;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For saying goodbye; what was confirmed is there without it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// One queue, through the default exchange.
pub struct Queue {
    connection: Connection,
    name: String,
}

impl Queue {
    pub async fn connect(endpoint: &Endpoint, queue: &str) -> Result<Self> {
        Ok(Self { connection: amqp::connect(endpoint, CONNECT_TIMEOUT).await?, name: queue.to_owned() })
    }
}

impl Target for Queue {
    fn declare(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        Box::pin(async {
            let different = |(queue, declared)| match declared {
                Declared::Ready => None,
                Declared::Different(cause) => {
                    Some(format!("the queue {queue:?} exists with other settings and is left as it is: {cause}"))
                }
            };
            Ok(declare::declare(&self.connection, &self.name).await?.into_iter().filter_map(different).collect())
        })
    }

    fn send<'a>(&'a self, tasks: &'a [Task], progress: &'a mut Progress<'_>) -> BoxFuture<'a, Sent> {
        Box::pin(send::send(&self.connection, &self.name, tasks, progress))
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.connection.close(200, "done".into())).await;
        })
    }
}
