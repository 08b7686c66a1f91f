//! The RabbitMQ side of `awp worker`.
#![expect(clippy::doc_markdown, reason = "doc comments on arguments are the help text, which shows backticks")]

use std::sync::Arc;

use anyhow::Context;

use super::Common;
use crate::amqp::Login;
use crate::runtime::broker::Broker;
use crate::runtime::rabbitmq::{RabbitMq, Settings};
use crate::runtime::settings::DeadLetterTarget;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "RabbitMQ")]
pub struct RabbitMqArgs {
    /// The broker, without credentials: amqp://host:5672/vhost or amqps://host:5671/vhost.
    #[arg(long, env = "AWP_URI", hide_env_values = true)]
    uri: Option<String>,
    /// The queue to take tasks from.
    #[arg(long, env = "AWP_QUEUE")]
    queue: Option<String>,
    /// The exchange for dead letters; empty = the default exchange.
    #[arg(long, env = "AWP_DEAD_LETTER_EXCHANGE")]
    dead_letter_exchange: Option<String>,
    /// The routing key for dead letters; with the default exchange, the name of the queue.
    #[arg(long, env = "AWP_DEAD_LETTER_ROUTING_KEY")]
    dead_letter_routing_key: Option<String>,
}

impl RabbitMqArgs {
    pub fn broker(&self, common: &Common) -> anyhow::Result<Arc<dyn Broker>> {
        let uri = self.uri.as_ref().context("name the broker: --uri amqp://host:5672/vhost, or AWP_URI")?;
        let queue = self.queue.as_ref().context("name the queue: --queue NAME, or AWP_QUEUE")?;
        let variable = |name| std::env::var(name).ok();
        let folder = common.credentials_dir.clone();
        let settings = Settings {
            uri: uri.clone(),
            queue: queue.clone(),
            login: Login::from_parts(folder, variable("AWP_USERNAME"), variable("AWP_PASSWORD"))?,
            tls: common.tls_dir.clone(),
            name: common.name.clone(),
            dead_letter: DeadLetterTarget::new(
                self.dead_letter_exchange.clone(),
                self.dead_letter_routing_key.clone(),
                queue,
            )?,
        };
        Ok(Arc::new(RabbitMq::new(settings)?))
    }
}
