//! `spec.broker.rabbitmq`, understood.

use super::super::invalid::Invalid;
use super::super::spec;
use super::broker::Login;
use super::declare::Declare;

#[derive(Clone, Debug, PartialEq)]
pub struct RabbitMq {
    /// Without credentials, and without a bare slash at the end, about which clients disagree.
    /// Its shape is checked by whoever connects.
    pub uri: String,
    pub management_uri: Option<String>,
    pub login: Option<Login>,
    /// Secret with `ca.crt`, `tls.crt`, `tls.key`, all optional.
    pub tls_secret: Option<String>,
    pub queue: String,
    /// What the operator creates where it is missing.
    pub declare: Option<Declare>,
}

impl TryFrom<&spec::RabbitMq> for RabbitMq {
    type Error = Invalid;

    fn try_from(rabbitmq: &spec::RabbitMq) -> Result<Self, Invalid> {
        let field = |name: &str| format!("spec.broker.rabbitmq.{name}");
        let addresses = [("uri", Some(&rabbitmq.uri)), ("managementUri", rabbitmq.management_uri.as_ref())];
        for (name, address) in addresses {
            if address.is_some_and(|address| address.contains('@')) {
                return Err(Invalid::new(field(name), "write it without credentials: they belong in a Secret"));
            }
        }
        if rabbitmq.tls.is_some() {
            let plain_management = rabbitmq.management_uri.as_ref().is_some_and(|uri| uri.contains("http:"));
            if rabbitmq.uri.starts_with("amqp:") || plain_management {
                return Err(Invalid::new(
                    field("tls"),
                    "write amqps:// and https:// addresses with it, or leave it out",
                ));
            }
        }
        let [queue] = rabbitmq.queues.as_slice() else {
            return Err(Invalid::new(
                field("queues"),
                "name exactly one queue; a second queue needs a pool of its own",
            ));
        };
        if queue.is_empty() || queue.len() > 255 || queue.starts_with("amq.") {
            return Err(Invalid::new(field("queues"), "write a name of 1 to 255 bytes that does not start with amq."));
        }
        let declare = rabbitmq.declare.as_ref().map(Declare::try_from).transpose()?;
        if declare.iter().flat_map(|declare| &declare.dead_letter).any(|to| to.queue == *queue) {
            return Err(Invalid::new(field("declare.deadLetter.queue"), "name another queue than the pool's own"));
        }
        Ok(Self {
            declare,
            uri: rabbitmq.uri.strip_suffix('/').unwrap_or(&rabbitmq.uri).to_owned(),
            management_uri: rabbitmq.management_uri.clone(),
            login: rabbitmq.credentials.as_ref().map(Into::into),
            tls_secret: rabbitmq.tls.as_ref().map(|tls| tls.secret_ref.name.clone()),
            queue: queue.clone(),
        })
    }
}
