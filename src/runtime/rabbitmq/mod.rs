//! The runtime's RabbitMQ.
//!
//! Two connections: tasks come and are acknowledged on one; dead letters go by the other, opened
//! when the first is needed. RabbitMQ stops reading from connections that publish while it is short
//! of memory or disk, and a task's acknowledgement must not wait behind that.

mod dead_letter;
mod delivery;
mod subscription;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::broker::{Broker, SubscribeError, Subscription};
use super::settings::DeadLetterTarget;
use crate::amqp::{self, Endpoint, Login};
use crate::net::tls::TlsFiles;
use dead_letter::DeadLetters;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub struct Settings {
    pub uri: String,
    pub queue: String,
    pub login: Login,
    /// A folder with ca.crt, tls.crt, tls.key, each optional.
    pub tls: Option<PathBuf>,
    /// The worker's name: connections and consumers carry it, so that the operator can tell which
    /// worker holds what.
    pub name: String,
    pub dead_letter: DeadLetterTarget,
}

impl Settings {
    /// Reads the files anew: Secrets rotate under a running worker.
    fn endpoint(&self, connection_name: String) -> Result<Endpoint, String> {
        let login = self.login.read().map_err(|error| error.to_string())?;
        let tls = TlsFiles::read(self.tls.as_deref()).map_err(|error| error.to_string())?;
        Ok(Endpoint { uri: self.uri.clone(), username: login.username, password: login.password, tls, connection_name })
    }

    /// What no retry can mend.
    pub fn check(&self) -> Result<(), amqp::Error> {
        amqp::Address::parse(&self.uri)?;
        for name in [&self.queue, &self.name, &self.dead_letter.exchange, &self.dead_letter.routing_key] {
            amqp::short(name)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
pub struct RabbitMq {
    settings: Arc<Settings>,
    dead_letters: Arc<DeadLetters>,
}

impl RabbitMq {
    pub fn new(settings: Settings) -> Result<Self, amqp::Error> {
        settings.check()?;
        let settings = Arc::new(settings);
        Ok(Self { dead_letters: Arc::new(DeadLetters::new(settings.clone())), settings })
    }
}

impl Broker for RabbitMq {
    fn subscribe(&self, slots: u16) -> BoxFuture<'_, Result<Box<dyn Subscription>, SubscribeError>> {
        async move {
            let subscription = subscription::open(self.settings.clone(), self.dead_letters.clone(), slots).await?;
            Ok(Box::new(subscription) as Box<dyn Subscription>)
        }
        .boxed()
    }
}
