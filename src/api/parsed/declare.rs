//! `spec.broker.rabbitmq.declare`, understood.

use super::super::duration;
use super::super::invalid::Invalid;
use super::super::spec::{self, Binding, QueueType};

#[derive(Clone, Debug, PartialEq)]
pub struct Declare {
    pub queue_type: QueueType,
    pub max_priority: Option<u8>,
    /// Seconds.
    pub message_ttl: Option<f64>,
    pub bindings: Vec<Binding>,
    pub dead_letter: Option<DeadLetter>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub exchange: String,
    pub routing_key: String,
    pub queue: String,
}

impl TryFrom<&spec::Declare> for Declare {
    type Error = Invalid;

    fn try_from(declare: &spec::Declare) -> Result<Self, Invalid> {
        let field = |name: &str| format!("spec.broker.rabbitmq.declare.{name}");
        let queue_type = declare.type_.unwrap_or_default();
        if declare.max_priority.is_some() && queue_type != QueueType::Classic {
            return Err(Invalid::new(field("maxPriority"), "write type: Classic with it, or leave it out"));
        }
        let name = |name: &str, of: &str| match of.len() {
            1..=255 => Ok(of.to_owned()),
            _ => Err(Invalid::new(field(name), "write a name of 1 to 255 bytes")),
        };
        for binding in &declare.bindings {
            name("bindings.exchange", &binding.exchange)?;
            if binding.routing_key.len() > 255 {
                return Err(Invalid::new(field("bindings.routingKey"), "write at most 255 bytes"));
            }
        }
        let dead_letter = declare.dead_letter.as_ref().map(|to| {
            Ok(DeadLetter {
                exchange: name("deadLetter.exchange", &to.exchange)?,
                routing_key: name("deadLetter.routingKey", to.routing_key.as_ref().unwrap_or(&to.queue))?,
                queue: name("deadLetter.queue", &to.queue)?,
            })
        });
        let ttl =
            |text: &String| duration::parse(text).map_err(|error| Invalid::new(field("messageTtl"), error.to_string()));
        Ok(Self {
            queue_type,
            max_priority: declare.max_priority,
            message_ttl: declare.message_ttl.as_ref().map(ttl).transpose()?,
            bindings: declare.bindings.clone(),
            dead_letter: dead_letter.transpose()?,
        })
    }
}
