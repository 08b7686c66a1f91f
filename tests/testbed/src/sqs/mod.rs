//! A real server on loopback that speaks Amazon SQS (ElasticMQ), and what tests do to it.
//!
//! Its counters are always fresh, which those of Amazon are not, and it takes every login.

mod calls;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;
use tokio::sync::{Mutex, OnceCell};

use crate::base::cache::Cache;
use crate::base::scratch::Scratch;
use crate::base::server::{Server, Spec};
use crate::base::{install_crypto_provider, ports};
use crate::install::elasticmq::elasticmq;

pub use calls::{Counts, arn};

/// What it says of the region and the account in ARNs.
pub const REGION: &str = "eu-central-1";
pub const ACCOUNT: &str = "000000000000";

/// 2 s on two idle cores; many test processes start at once.
const START_LIMIT: Duration = Duration::from_secs(60);

/// One server. Messages are kept in memory only.
#[derive(Debug)]
pub struct Sqs {
    port: u16,
    jars: PathBuf,
    server: Mutex<Option<Server>>,
    queues: AtomicU32,
    scratch: Scratch,
}

static SHARED: OnceCell<Sqs> = OnceCell::const_new();

/// The server that all tests of this process share, started by the first who asks. Tests get apart by queues.
///
/// # Panics
/// When it cannot be started, with the reason.
pub async fn sqs() -> &'static Sqs {
    let started = SHARED.get_or_try_init(Sqs::start).await;
    started.unwrap_or_else(|error| panic!("ElasticMQ does not start: {error:#}"))
}

impl Sqs {
    /// A server of one's own.
    pub async fn start() -> Result<Self> {
        install_crypto_provider();
        let jars = elasticmq().find(&Cache::of_user()?)?;
        let (port, scratch) = (ports::free()?, Scratch::new("sqs")?);
        std::fs::write(scratch.path().join("elasticmq.conf"), configuration(port))?;
        let sqs = Self { port, jars, server: Mutex::new(None), queues: AtomicU32::new(0), scratch };
        sqs.start_again().await?;
        Ok(sqs)
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub async fn pid(&self) -> Result<u32> {
        self.server.lock().await.as_ref().context("ElasticMQ does not run")?.pid()
    }

    /// The URL of a queue of that name, whether it exists or not.
    pub fn queue_url(&self, name: &str) -> String {
        format!("{}/{ACCOUNT}/{name}", self.endpoint())
    }

    /// A name that no other test has; `suffix` such as `.fifo`.
    pub fn unique(&self, prefix: &str, suffix: &str) -> String {
        format!("{prefix}-{}{suffix}", self.queues.fetch_add(1, Ordering::Relaxed))
    }

    /// Ends it as a crash would; queues and messages are gone.
    pub async fn kill(&self) -> Result<()> {
        self.server.lock().await.take().context("ElasticMQ does not run")?.kill().await
    }

    /// Starts a killed server on its port.
    pub async fn start_again(&self) -> Result<()> {
        let mut running = self.server.lock().await;
        if running.is_some() {
            bail!("ElasticMQ runs already");
        }
        let java = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dconfig.file=elasticmq.conf"];
        let spec = Spec::new("elasticmq", "java").args(java).args([
            "-cp",
            &format!("{}/*", self.jars.display()),
            "org.elasticmq.server.Main",
        ]);
        let mut server = Server::start(&spec, &self.scratch)?;
        server.ready_when(START_LIMIT, async || self.call("ListQueues", &json!({})).await.map(drop)).await?;
        *running = Some(server);
        Ok(())
    }

    /// Ends it and waits until nothing of it is left. Dropping it does the same without waiting.
    pub async fn shut_down(self) -> Result<()> {
        let Self { server, scratch, .. } = self;
        drop(server);
        scratch.finish().await
    }

    pub fn logs(&self) -> PathBuf {
        self.scratch.path().join("logs")
    }
}

fn configuration(port: u16) -> String {
    format!(
        "include classpath(\"application.conf\")\n\
         node-address {{ protocol = http, host = \"127.0.0.1\", port = {port}, context-path = \"\" }}\n\
         rest-sqs {{ enabled = true, bind-hostname = \"127.0.0.1\", bind-port = {port}, sqs-limits = strict }}\n\
         rest-stats {{ enabled = false }}\n\
         aws {{ region = \"{REGION}\", accountId = \"{ACCOUNT}\" }}\n"
    )
}
