//! The demo on RabbitMQ.

use std::path::PathBuf;

use anyhow::Result;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};

use super::{Broker, Counts, manifest};
use crate::base::scratch::Scratch;
use crate::demo::random_hex;
use crate::rabbitmq::{Options, RabbitMq, User};

const MANIFEST: &str = include_str!("../../../../../examples/demo-pool.yaml");
const QUEUE: &str = "research_tasks";
const VHOST_PREFIX: &str = "agents";
const USER: &str = "agents";

#[derive(Debug)]
struct OnRabbitMq {
    server: RabbitMq,
    vhost: String,
    password: String,
    /// Files, because a login belongs on no command line.
    login: PathBuf,
    _scratch: Scratch,
}

pub async fn start() -> Result<Box<dyn Broker>> {
    let server = RabbitMq::start(Options::default()).await?;
    let vhost = server.vhost(VHOST_PREFIX).await?;
    let password = random_hex(12)?;
    server.add_user(User::monitoring(USER, &password), &vhost).await?;
    let scratch = Scratch::new("demo-login")?;
    let login = scratch.folder("login")?;
    std::fs::write(login.join("username"), USER)?;
    std::fs::write(login.join("password"), &password)?;
    Ok(Box::new(OnRabbitMq { server, vhost, password, login, _scratch: scratch }))
}

impl Broker for OnRabbitMq {
    fn pool(&self) -> Result<Value> {
        let mut pool = manifest(MANIFEST)?;
        let broker = &mut pool["spec"]["broker"]["rabbitmq"];
        broker["uri"] = json!(self.server.amqp_uri(&self.vhost));
        broker["managementUri"] = json!(self.server.management_uri());
        Ok(pool)
    }

    fn secret(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "rabbitmq"},
            "stringData": {"username": USER, "password": self.password},
        })
    }

    fn publish_arguments(&self) -> Vec<String> {
        let (uri, login) = (self.server.amqp_uri(&self.vhost), self.login.display().to_string());
        ["--uri", &uri, "--queue", QUEUE, "--credentials-dir", &login].map(str::to_owned).to_vec()
    }

    fn counts(&self) -> LocalBoxFuture<'_, Result<Counts>> {
        async {
            let left = self.server.counts(&self.vhost, QUEUE).await?;
            let failed = self.server.counts(&self.vhost, &format!("{QUEUE}_failed")).await?;
            let queue = self.server.management_get(&format!("/api/queues/{}/{QUEUE}", self.vhost)).await?;
            Ok(Counts {
                left: left.ready + left.unacked,
                dead_letters: failed.ready,
                redelivered: queue["message_stats"]["redeliver"].as_u64().unwrap_or(0),
            })
        }
        .boxed_local()
    }

    fn hint(&self) -> String {
        format!(
            "RabbitMQ's own page: {} (user {}, password {})",
            self.server.management_uri(),
            self.server.admin_user(),
            self.server.admin_password()
        )
    }

    fn shut_down(self: Box<Self>) -> LocalBoxFuture<'static, Result<()>> {
        self.server.shut_down().boxed_local()
    }
}
