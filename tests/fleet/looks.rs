//! The same operator looked at twice: with a few pools, and with many.

use std::path::Path;
use std::time::Duration;

use awp_testbed::Operator;
use awp_testbed::base::wait;
use awp_testbed::bench::broker::Kind;
use awp_testbed::bench::process::Process;
use awp_testbed::bench::rest::{self, Rest};
use awp_testbed::bench::site::{PATIENCE, Site, names};
use serde_json::json;
use tokio::sync::OnceCell;

const SMALL: usize = 20;
pub const LARGE: usize = 200;
/// Readings are written at most every 15 s: who was silent for longer has nothing more to say.
const QUIET: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_secs(25);

pub struct Looks {
    pub small: Look,
    pub large: Look,
}

pub struct Look {
    pub pools: usize,
    pub rest: Rest,
    /// Passes over a pool meanwhile.
    pub passes: u64,
}

impl Look {
    /// How many were answered.
    pub fn management_requests(&self) -> f64 {
        self.rest.requests("management") * self.rest.seconds
    }
}

/// Taken by the first who asks.
pub async fn looks() -> &'static Looks {
    static LOOKS: OnceCell<Looks> = OnceCell::const_new();
    LOOKS.get_or_init(take).await
}

/// At so many pools on another broker.
pub async fn look_at(broker: Kind, pools: usize) -> Look {
    let awp = Path::new(env!("CARGO_BIN_EXE_awp"));
    let site = Site::start(broker).await.unwrap();
    site.install(awp).await.unwrap();
    let operator = site.operator(awp).await.unwrap();
    add(&site, 0, pools).await;
    let look = look(&site, &operator, pools).await;
    operator.stop().await.unwrap();
    site.shut_down().await.unwrap();
    look
}

async fn take() -> Looks {
    let awp = Path::new(env!("CARGO_BIN_EXE_awp"));
    let site = Site::start(Kind::Rabbitmq).await.unwrap();
    site.install(awp).await.unwrap();
    let operator = site.operator(awp).await.unwrap();
    add(&site, 0, SMALL).await;
    let small = look(&site, &operator, SMALL).await;
    add(&site, SMALL, LARGE - SMALL).await;
    let large = look(&site, &operator, LARGE).await;
    operator.stop().await.unwrap();
    site.shut_down().await.unwrap();
    Looks { small, large }
}

/// So many more pools, each with a worker.
async fn add(site: &Site, before: usize, count: usize) {
    let names = names(before, count);
    site.broker.declare(&names).await.unwrap();
    let ready = site.ready();
    site.create(&names, &json!({"minReplicas": 1, "scaleDownWindow": "1s"})).await.unwrap();
    let all = before + count;
    wait::until("every pool has its worker", PATIENCE, async || {
        Ok((ready.count(|ready| *ready > 0) == all).then_some(()))
    })
    .await
    .unwrap();
}

async fn look(site: &Site, operator: &Operator, pools: usize) -> Look {
    rest::settle(site, QUIET, PATIENCE).await.unwrap();
    let process = Process(operator.pid().await.unwrap());
    let before = passes(operator).await;
    let rest = rest::look(site, process, 0.0, LOOK).await.unwrap();
    Look { pools, rest, passes: passes(operator).await - before }
}

async fn passes(operator: &Operator) -> u64 {
    let metrics = operator.admin("/metrics").await.unwrap();
    let count = metrics.lines().find_map(|line| line.strip_prefix("awp_reconcile_seconds_count "));
    count.unwrap().trim().parse().unwrap()
}
