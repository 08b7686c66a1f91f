//! The demo on Apache Kafka.

use std::path::PathBuf;

use anyhow::Result;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};

use super::{Broker, Counts, manifest};
use crate::base::scratch::Scratch;
use crate::kafka::{ADMIN, ADMIN_PASSWORD, Kafka, Listener, Options};

const MANIFEST: &str = include_str!("../../../../../examples/demo-pool-kafka.yaml");
const TOPIC: &str = "research_tasks";
const GROUP: &str = "research";
/// As many as the pool may have workers.
const PARTITIONS: i32 = 20;

#[derive(Debug)]
struct OnKafka {
    server: Kafka,
    /// Files, because a login belongs on no command line.
    login: PathBuf,
    _scratch: Scratch,
}

pub async fn start() -> Result<Box<dyn Broker>> {
    let server = Kafka::start(Options::default()).await?;
    let scratch = Scratch::new("demo-login")?;
    let login = scratch.folder("login")?;
    std::fs::write(login.join("username"), ADMIN)?;
    std::fs::write(login.join("password"), ADMIN_PASSWORD)?;
    Ok(Box::new(OnKafka { server, login, _scratch: scratch }))
}

impl OnKafka {
    fn bootstrap(&self) -> Vec<String> {
        self.server.bootstrap_by(Listener::Sasl)
    }
}

impl Broker for OnKafka {
    fn pool(&self) -> Result<Value> {
        let mut pool = manifest(MANIFEST)?;
        pool["spec"]["broker"]["kafka"]["bootstrapServers"] = json!(self.bootstrap());
        Ok(pool)
    }

    fn secret(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "kafka"},
            "stringData": {"username": ADMIN, "password": ADMIN_PASSWORD},
        })
    }

    fn publish_arguments(&self) -> Vec<String> {
        let (servers, partitions) = (self.bootstrap().join(","), PARTITIONS.to_string());
        let login = self.login.display().to_string();
        let arguments = [
            ["--broker", "kafka"],
            ["--bootstrap-servers", &servers],
            ["--sasl-mechanism", "ScramSha512"],
            ["--credentials-dir", &login],
            ["--topic", TOPIC],
            ["--partitions", &partitions],
        ];
        arguments.concat().into_iter().map(str::to_owned).collect()
    }

    fn counts(&self) -> LocalBoxFuture<'_, Result<Counts>> {
        async {
            let all: Vec<i32> = (0..PARTITIONS).collect();
            let ends = self.server.ends(TOPIC, &all).await?;
            let committed = self.server.committed(GROUP, TOPIC, &all).await?;
            let sum = |offsets: &[(i32, i64)]| offsets.iter().map(|(_, offset)| offset.unsigned_abs()).sum::<u64>();
            let failed = self.server.ends(&format!("{TOPIC}_failed"), &[0]).await?;
            // A record tells nobody how often it was read.
            Ok(Counts { left: sum(&ends) - sum(&committed), dead_letters: sum(&failed), redelivered: 0 })
        }
        .boxed_local()
    }

    fn hint(&self) -> String {
        format!("Kafka is at {}, without a login", self.server.bootstrap().join(","))
    }

    fn shut_down(self: Box<Self>) -> LocalBoxFuture<'static, Result<()>> {
        self.server.shut_down().boxed_local()
    }
}
