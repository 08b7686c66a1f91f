//! A work queue and the queue for its dead letters, for try-outs and the demo.

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ErrorKind};

use crate::amqp;

/// How a queue was found or made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declared {
    /// It is there, as wanted.
    Ready,
    /// It was there with other settings, and is left as it is. The broker's words.
    Different(String),
}

#[derive(Debug, thiserror::Error)]
pub enum DeclareError {
    #[error(transparent)]
    Name(#[from] amqp::NameTooLong),
    #[error("the queue {queue:?} cannot be declared: {cause}")]
    Broker { queue: String, cause: lapin::Error },
}

/// The name of the queue where the dead letters of `queue` go.
pub fn dead_letter_queue(queue: &str) -> String {
    format!("{queue}_failed")
}

/// Durable quorum queues, the first pointing to the second through the default exchange. Answers in
/// the order dead-letter queue, work queue; repeating it changes nothing.
pub async fn declare(connection: &Connection, queue: &str) -> Result<[(String, Declared); 2], DeclareError> {
    let failed = dead_letter_queue(queue);
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), text("quorum"));
    let mut work = quorum.clone();
    work.insert("x-dead-letter-exchange".into(), text(""));
    work.insert("x-dead-letter-routing-key".into(), text(&failed));
    // The target first: there is no moment in which the work queue points nowhere.
    let target = declare_one(connection, &failed, quorum).await?;
    let source = declare_one(connection, queue, work).await?;
    Ok([(failed, target), (queue.to_owned(), source)])
}

/// On a channel of its own, which the broker closes if the queue is there with other settings.
async fn declare_one(connection: &Connection, queue: &str, arguments: FieldTable) -> Result<Declared, DeclareError> {
    let name = amqp::short(queue)?;
    let failed = |cause| DeclareError::Broker { queue: queue.to_owned(), cause };
    let channel = connection.create_channel().await.map_err(failed)?;
    match channel.queue_declare(name, QueueDeclareOptions::durable(), arguments).await {
        Ok(_) => {
            channel.close(200, "done".into()).await.map_err(failed)?;
            Ok(Declared::Ready)
        }
        Err(error) => match error.kind() {
            ErrorKind::ProtocolError(reply) if reply.get_id() == PRECONDITION_FAILED => {
                Ok(Declared::Different(reply.get_message().to_string()))
            }
            _ => Err(failed(error)),
        },
    }
}

const PRECONDITION_FAILED: u16 = 406;
