//! Apache Kafka, one broker, with a topic and a group for each pool.

use std::time::Duration;

use anyhow::{Context, Result};
use futures::FutureExt;
use futures::future::{LocalBoxFuture, try_join_all};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{Broker, Requests, SECRET, TASK, all, counted};
use crate::base::relay::{Front, Protocol, Relay};
use crate::bench::figures::Row;
use crate::bench::process::Process;
use crate::bench::rest::Rest;
use crate::kafka::{ADMIN, ADMIN_PASSWORD, Kafka, Listener, Options, Producer};

/// As many workers as a burst asks for can each have one.
const PARTITIONS: u32 = 5;
/// Each coordinator is asked once in a poll for what its groups have committed, and there is one broker.
const ONCE_IN_A_POLL: &str = "OffsetFetch";
const BROKERS: usize = 1;

#[derive(Debug)]
struct OnKafka {
    server: Kafka,
    producer: Producer,
    /// The operator's way to the broker; all others go straight.
    relay: Relay,
}

pub async fn start() -> Result<Box<dyn Broker>> {
    let front = Front::open().await?;
    let relay = Some((Listener::Sasl, front.port()));
    let server = Kafka::start(Options { relay, ..Options::default() }).await?;
    let address = server.bootstrap_by(Listener::Sasl).pop().context("no broker")?;
    let (producer, relay) = (server.producer()?, front.before(&address, Protocol::Kafka));
    Ok(Box::new(OnKafka { server, producer, relay }))
}

impl Broker for OnKafka {
    fn login(&self) -> Value {
        json!({"username": ADMIN, "password": ADMIN_PASSWORD})
    }

    fn spec(&self, name: &str) -> Value {
        json!({"kafka": {
            "bootstrapServers": [format!("127.0.0.1:{}", self.relay.port())], "topics": [name], "group": name,
            "sasl": {"mechanism": "ScramSha512", "secretRef": {"name": SECRET}},
        }})
    }

    fn declare<'a>(&'a self, names: &'a [String]) -> LocalBoxFuture<'a, Result<()>> {
        async {
            let each = |name: &'a String| self.server.create_topic(name, PARTITIONS as usize, &[]);
            all(names.iter().map(each)).await
        }
        .boxed_local()
    }

    fn burst<'a>(&'a self, name: &'a str, tasks: u32) -> LocalBoxFuture<'a, Result<Timestamp>> {
        async move {
            let bodies = vec![TASK; tasks.div_ceil(PARTITIONS) as usize];
            let sent = (0..PARTITIONS.cast_signed()).map(|partition| self.producer.send(name, partition, &bodies));
            try_join_all(sent).await?;
            Ok(Timestamp::now())
        }
        .boxed_local()
    }

    fn process(&self) -> LocalBoxFuture<'_, Result<Process>> {
        async { Ok(Process(self.server.broker(1)?.pid().await?)) }.boxed_local()
    }

    fn ports(&self) -> Vec<(&'static str, u16)> {
        vec![("Kafka", self.relay.port())]
    }

    fn requests(&self) -> LocalBoxFuture<'_, Result<Requests>> {
        async { Ok(counted(&self.relay)) }.boxed_local()
    }

    fn calm_after(&self) -> Duration {
        Duration::ZERO
    }

    fn period(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn shut_down(self: Box<Self>) -> LocalBoxFuture<'static, Result<()>> {
        let Self { server, producer, relay } = *self;
        drop((producer, relay));
        server.shut_down().boxed_local()
    }
}

pub fn costs(pools: usize, rest: &Rest) -> Vec<Row> {
    let (all, rounds) = (rest.all_requests(), rest.requests(ONCE_IN_A_POLL));
    let bound = format!("≤ {}: brokers, coordinators and groups", BROKERS + BROKERS + pools);
    vec![
        Row::new("polls per second", format!("{rounds:.2}"), "≤ 1.2"),
        Row::new("requests per second", format!("{all:.2}"), ""),
        Row::new("requests per poll", format!("{:.2}", all / rounds), bound),
    ]
}
