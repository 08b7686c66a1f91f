//! Amazon SQS, which ElasticMQ plays, with a queue for each pool.

use std::time::Duration;

use anyhow::Result;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{Broker, Requests, SECRET, TASK, all, counted};
use crate::base::relay::{Front, Protocol, Relay};
use crate::bench::figures::Row;
use crate::bench::process::Process;
use crate::bench::rest::Rest;
use crate::sqs::{ACCOUNT, REGION, Sqs};

/// Seconds between two looks at an idle queue.
const PERIOD: f64 = 20.0;
const MONTH: f64 = 30.0 * 86_400.0;
/// Dollars for a request, standard queue.
const PRICE: f64 = 0.4 / 1e6;

#[derive(Debug)]
struct OnSqs {
    server: Sqs,
    /// The operator's way to the server; all others go straight.
    relay: Relay,
}

pub async fn start() -> Result<Box<dyn Broker>> {
    let server = Sqs::start().await?;
    let address = server.endpoint();
    let relay = Front::open().await?.before(address.trim_start_matches("http://"), Protocol::Http);
    Ok(Box::new(OnSqs { server, relay }))
}

impl Broker for OnSqs {
    /// The server takes any.
    fn login(&self) -> Value {
        json!({"AWS_ACCESS_KEY_ID": "AKIABENCH", "AWS_SECRET_ACCESS_KEY": "bench-reader"})
    }

    fn spec(&self, name: &str) -> Value {
        let endpoint = format!("http://127.0.0.1:{}", self.relay.port());
        json!({"sqs": {
            "queueUrl": format!("{endpoint}/{ACCOUNT}/{name}"), "endpoint": endpoint, "region": REGION,
            "credentials": {"secretRef": {"name": SECRET}},
        }})
    }

    fn declare<'a>(&'a self, names: &'a [String]) -> LocalBoxFuture<'a, Result<()>> {
        async {
            let each = |name: &'a String| async { self.server.create(name, &json!({})).await.map(drop) };
            all(names.iter().map(each)).await
        }
        .boxed_local()
    }

    fn burst<'a>(&'a self, name: &'a str, tasks: u32) -> LocalBoxFuture<'a, Result<Timestamp>> {
        async move {
            let bodies = (0..tasks).map(|_| TASK.to_owned());
            self.server.send(&self.server.queue_url(name), bodies, 1).await?;
            Ok(Timestamp::now())
        }
        .boxed_local()
    }

    fn process(&self) -> LocalBoxFuture<'_, Result<Process>> {
        async { Ok(Process(self.server.pid().await?)) }.boxed_local()
    }

    fn ports(&self) -> Vec<(&'static str, u16)> {
        vec![("SQS", self.relay.port())]
    }

    fn requests(&self) -> LocalBoxFuture<'_, Result<Requests>> {
        async { Ok(counted(&self.relay)) }.boxed_local()
    }

    /// That a queue is empty is proved by looks over 75 s, and then they become fewer by steps.
    fn calm_after(&self) -> Duration {
        Duration::from_secs(110)
    }

    /// It is spread over 20 to 22 s.
    fn period(&self) -> Duration {
        Duration::from_secs(21)
    }

    fn shut_down(self: Box<Self>) -> LocalBoxFuture<'static, Result<()>> {
        let Self { server, relay } = *self;
        drop(relay);
        server.shut_down().boxed_local()
    }
}

pub fn costs(pools: usize, rest: &Rest) -> Vec<Row> {
    let (all, pools) = (rest.all_requests(), pools as f64);
    let month = all * MONTH / pools;
    vec![
        Row::new(
            "requests per second",
            format!("{all:.2}"),
            format!("≤ {:.2}: a queue's in {PERIOD} s", pools / PERIOD),
        ),
        Row::new("a queue is asked for every", format!("{:.1} s", pools / all), format!("≥ {PERIOD} s")),
        Row::new("a queue's requests in 30 days", format!("{month:.0} (${:.2})", month * PRICE), ""),
    ]
}
