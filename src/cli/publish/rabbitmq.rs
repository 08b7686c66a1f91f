//! The RabbitMQ side of `awp publish`.
#![expect(clippy::doc_markdown, reason = "doc comments on arguments are the help text, which shows backticks")]

use anyhow::Context;

use super::Common;
use crate::amqp::{Address, Endpoint, Login};
use crate::net::tls::TlsFiles;
use crate::publishing::Target;
use crate::publishing::rabbitmq::Queue;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "RabbitMQ")]
pub struct RabbitMqArgs {
    /// The broker, without credentials: amqp://host:5672/vhost or amqps://host:5671/vhost.
    #[arg(long, env = "AWP_URI", hide_env_values = true)]
    uri: Option<String>,
    /// The queue to publish to.
    #[arg(long, env = "AWP_QUEUE")]
    queue: Option<String>,
}

impl RabbitMqArgs {
    pub async fn connect(&self, common: &Common) -> anyhow::Result<Box<dyn Target>> {
        let uri = self.uri.as_ref().context("name the broker: --uri amqp://host:5672/vhost")?;
        let queue = self.queue.as_ref().context("name the queue: --queue NAME")?;
        // Before the login is looked for: a login in the URI is the likelier mistake.
        Address::parse(uri)?;
        let variable = |name| std::env::var(name).ok();
        let folder = common.credentials_dir.clone();
        let login = Login::from_parts(folder, variable("AWP_USERNAME"), variable("AWP_PASSWORD"))?.read()?;
        let tls = TlsFiles::read(common.tls_dir.as_deref())?;
        let endpoint = Endpoint {
            uri: uri.clone(),
            username: login.username,
            password: login.password,
            tls,
            connection_name: "awp publish".to_owned(),
        };
        Ok(Box::new(Queue::connect(&endpoint, queue).await?))
    }
}
