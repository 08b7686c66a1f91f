//! The demo on Amazon SQS, which ElasticMQ plays. The pool sleeps later there than elsewhere: an empty queue
//! must look so for 75 s.

use std::path::PathBuf;

use anyhow::Result;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};

use super::{Broker, Counts, manifest};
use crate::base::scratch::Scratch;
use crate::demo::random_hex;
use crate::sqs::{REGION, Sqs};

const MANIFEST: &str = include_str!("../../../../../examples/demo-pool-sqs.yaml");
const QUEUE: &str = "research_tasks";

#[derive(Debug)]
struct OnSqs {
    server: Sqs,
    keys: [(&'static str, String); 2],
    /// Files, because a login belongs on no command line.
    login: PathBuf,
    _scratch: Scratch,
}

pub async fn start() -> Result<Box<dyn Broker>> {
    let server = Sqs::start().await?;
    // The server takes any.
    let keys = [("AWS_ACCESS_KEY_ID", "AKIADEMO".to_owned()), ("AWS_SECRET_ACCESS_KEY", random_hex(16)?)];
    let scratch = Scratch::new("demo-login")?;
    let login = scratch.folder("login")?;
    for (name, value) in &keys {
        std::fs::write(login.join(name), value)?;
    }
    Ok(Box::new(OnSqs { server, keys, login, _scratch: scratch }))
}

impl OnSqs {
    fn url(&self) -> String {
        self.server.queue_url(QUEUE)
    }
}

impl Broker for OnSqs {
    fn pool(&self) -> Result<Value> {
        let mut pool = manifest(MANIFEST)?;
        let broker = &mut pool["spec"]["broker"]["sqs"];
        broker["queueUrl"] = json!(self.url());
        broker["endpoint"] = json!(self.server.endpoint());
        Ok(pool)
    }

    fn secret(&self) -> Value {
        let keys: serde_json::Map<String, Value> =
            self.keys.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "aws"}, "stringData": keys })
    }

    fn publish_arguments(&self) -> Vec<String> {
        let (url, endpoint) = (self.url(), self.server.endpoint());
        let login = self.login.display().to_string();
        let arguments = ["--broker", "sqs", "--queue-url", &url, "--region", REGION, "--endpoint", &endpoint];
        arguments.iter().chain(&["--credentials-dir", &login]).map(|argument| (*argument).to_owned()).collect()
    }

    fn counts(&self) -> LocalBoxFuture<'_, Result<Counts>> {
        async {
            let left = self.server.counts(&self.url()).await?.total();
            let failed = self.server.counts(&self.server.queue_url(&format!("{QUEUE}_failed"))).await?.total();
            // A message that was deleted tells nobody how often it was received.
            Ok(Counts { left, dead_letters: failed, redelivered: 0 })
        }
        .boxed_local()
    }

    fn hint(&self) -> String {
        format!("SQS is at {}; it takes any keys", self.server.endpoint())
    }

    fn shut_down(self: Box<Self>) -> LocalBoxFuture<'static, Result<()>> {
        self.server.shut_down().boxed_local()
    }
}
