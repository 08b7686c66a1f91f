//! RabbitMQ, with quorum queues.

use std::time::Duration;

use anyhow::{Result, bail};
use futures::FutureExt;
use futures::future::{LocalBoxFuture, try_join_all};
use k8s_openapi::jiff::Timestamp;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use serde_json::{Value, json};

use super::{Broker, Counted, Requests, SECRET, TASK, all};
use crate::base::scratch::Scratch;
use crate::bench::figures::Row;
use crate::bench::process::Process;
use crate::bench::rest::Rest;
use crate::bench::site::names;
use crate::rabbitmq::{Options, RabbitMq, User};

const PASSWORD: &str = "bench-reader";
const DECLARE: &str = "declare";
const MANAGEMENT: &str = "management";

#[derive(Debug)]
struct OnRabbitMq {
    server: RabbitMq,
    /// The operator's user has its name.
    vhost: String,
    /// For the bursts; it stays open, so that they cost no handshake.
    channel: Channel,
    _connection: Connection,
    /// The management API's log of its requests.
    requests: Scratch,
}

pub async fn start() -> Result<Box<dyn Broker>> {
    let requests = Scratch::new("bench")?;
    // Statistics and totals are as old as the product makes them by default.
    let options = Options {
        quorum_tick_interval: 5_000,
        statistics_interval: 5_000,
        extra: format!("management.http_log_dir = {}", requests.path().display()),
        ..Options::default()
    };
    let server = RabbitMq::start(options).await?;
    let vhost = server.vhost("fleet").await?;
    server.add_user(User::monitoring(&vhost, PASSWORD), &vhost).await?;
    let connection = server.connect(&vhost).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(Box::new(OnRabbitMq { server, vhost, channel, _connection: connection, requests }))
}

impl OnRabbitMq {
    /// How many requests the management API has answered to the operator.
    fn management_requests(&self) -> Result<usize> {
        let mut requests = 0;
        for entry in std::fs::read_dir(self.requests.path())?.flatten().filter(|entry| entry.path().is_file()) {
            let log = std::fs::read_to_string(entry.path()).unwrap_or_default();
            requests += log.lines().filter(|line| line.contains(&self.vhost) && line.contains("/api/")).count();
        }
        Ok(requests)
    }
}

impl Broker for OnRabbitMq {
    fn login(&self) -> Value {
        json!({"username": self.vhost, "password": PASSWORD})
    }

    fn spec(&self, name: &str) -> Value {
        json!({"rabbitmq": {
            "uri": self.server.amqp_uri(&self.vhost), "managementUri": self.server.management_uri(),
            "credentials": {"secretRef": {"name": SECRET}}, "queues": [name],
        }})
    }

    fn declare<'a>(&'a self, names: &'a [String]) -> LocalBoxFuture<'a, Result<()>> {
        async {
            let each = |name: &'a String| self.server.declare_quorum(&self.vhost, name);
            all(names.iter().map(each)).await
        }
        .boxed_local()
    }

    fn burst<'a>(&'a self, name: &'a str, tasks: u32) -> LocalBoxFuture<'a, Result<Timestamp>> {
        async move {
            let mut waiting = Vec::new();
            for _ in 0..tasks {
                let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
                let properties = BasicProperties::default().with_delivery_mode(2);
                let body = TASK.as_bytes();
                waiting.push(self.channel.basic_publish("".into(), name.into(), options, body, properties).await?);
            }
            let confirmed = try_join_all(waiting).await?;
            let at = Timestamp::now();
            if !confirmed.iter().all(|confirmation| matches!(confirmation, Confirmation::Ack(None))) {
                bail!("not every task to {name} was taken");
            }
            Ok(at)
        }
        .boxed_local()
    }

    fn process(&self) -> LocalBoxFuture<'_, Result<Process>> {
        async { Ok(Process(self.server.pid().await?)) }.boxed_local()
    }

    fn ports(&self) -> Vec<(&'static str, u16)> {
        vec![("AMQP", self.server.amqp_port()), ("management", self.server.management_port())]
    }

    fn requests(&self) -> LocalBoxFuture<'_, Result<Requests>> {
        async {
            let management = Counted::now(self.management_requests()? as f64);
            let received = self.server.received_bytes(&self.vhost).await? as f64;
            let declares = Counted::now(received / declare_length() as f64);
            Ok(Requests::from([(DECLARE.into(), declares), (MANAGEMENT.into(), management)]))
        }
        .boxed_local()
    }

    fn calm_after(&self) -> Duration {
        Duration::ZERO
    }

    fn period(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn shut_down(self: Box<Self>) -> LocalBoxFuture<'static, Result<()>> {
        async {
            self.server.shut_down().await?;
            self.requests.finish().await
        }
        .boxed_local()
    }
}

/// Bytes of a passive `queue.declare` (AMQP 0-9-1, 1.7.2.1): a frame's head and end, the method, a reserved short, the
/// name with its length, a byte of flags, an empty table.
fn declare_length() -> usize {
    let name: usize = names(0, 1).iter().map(String::len).sum();
    8 + 4 + 2 + 1 + name + 1 + 4
}

pub fn costs(rest: &Rest) -> Vec<Row> {
    vec![
        Row::new("declares per second", format!("{:.0}", rest.requests(DECLARE)), "≤ 1,000"),
        Row::new("management requests per second", format!("{:.2}", rest.requests(MANAGEMENT)), "≤ 2"),
    ]
}
