//! A real RabbitMQ node on loopback, and what tests do to it.

mod admin;
mod amqp;
mod cluster;
mod configuration;
mod http;
mod neighbourhood;
mod node;
mod traffic;

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;
use tokio::sync::OnceCell;

pub use admin::User;
pub use amqp::Counts;
pub use cluster::Cluster;
use node::Node;

use crate::base::cache::Cache;
use crate::base::install_crypto_provider;

/// How a node differs from the usual one.
#[derive(Clone, Debug)]
pub struct Options {
    /// With the management plugin; without it there is AMQP only, and everything administrative here takes a second.
    pub management: bool,
    /// With a TLS listener whose certificate a private authority signed ([`RabbitMq::ca_pem`]).
    pub tls: bool,
    /// How old the totals of quorum queues may be, in milliseconds; the product's default is 5,000.
    pub quorum_tick_interval: u32,
    /// How old statistics may be, in milliseconds; the product's default is 5,000.
    pub statistics_interval: u32,
    /// `management_agent.disable_metrics_collector`: then the management API has no statistics of queues and channels.
    pub disable_metrics_collector: bool,
    /// More lines of `rabbitmq.conf`.
    pub extra: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            management: true,
            tls: true,
            quorum_tick_interval: 500,
            statistics_interval: 500,
            disable_metrics_collector: false,
            extra: String::new(),
        }
    }
}

/// One node, with an administrator. Host names are 127.0.0.1 and `localhost`.
#[derive(Debug)]
pub struct RabbitMq {
    node: Node,
    vhosts: AtomicU32,
}

static SHARED: OnceCell<RabbitMq> = OnceCell::const_new();

/// The node that all tests of this process share, started by the first who asks. Tests get apart by vhosts.
///
/// # Panics
/// When it cannot be started, with the reason.
pub async fn rabbitmq() -> &'static RabbitMq {
    let started = SHARED.get_or_try_init(async || RabbitMq::start(Options::default()).await).await;
    started.unwrap_or_else(|error| panic!("RabbitMQ does not start: {error:#}"))
}

impl RabbitMq {
    /// A node of one's own.
    pub async fn start(options: Options) -> Result<Self> {
        install_crypto_provider();
        let programs = crate::install::rabbitmq::find(&Cache::of_user()?)?;
        Ok(Self::of(Node::start(programs, options).await?))
    }

    fn of(node: Node) -> Self {
        Self { node, vhosts: AtomicU32::new(0) }
    }

    /// As Erlang knows it: `rabbit@localhost`.
    pub fn name(&self) -> &str {
        &self.node.name
    }

    pub fn amqp_port(&self) -> u16 {
        self.node.ports.amqp
    }

    pub fn management_port(&self) -> u16 {
        self.node.ports.management
    }

    pub fn tls_port(&self) -> u16 {
        self.node.ports.tls
    }

    pub fn admin_user(&self) -> &'static str {
        node::ADMIN
    }

    pub fn admin_password(&self) -> &'static str {
        node::ADMIN_PASSWORD
    }

    /// The authority that signed the certificate of the TLS listener.
    pub fn ca_pem(&self) -> &str {
        &self.node.ca_pem
    }

    /// `amqp://127.0.0.1:PORT/VHOST`, without credentials.
    pub fn amqp_uri(&self, vhost: &str) -> String {
        format!("amqp://127.0.0.1:{}/{}", self.amqp_port(), http::encode(vhost))
    }

    /// `amqps://localhost:PORT/VHOST`, without credentials.
    pub fn amqps_uri(&self, vhost: &str) -> String {
        format!("amqps://localhost:{}/{}", self.tls_port(), http::encode(vhost))
    }

    /// `http://127.0.0.1:PORT`
    pub fn management_uri(&self) -> String {
        format!("http://127.0.0.1:{}", self.management_port())
    }

    /// A new vhost with a unique name, on which the administrator may do everything.
    pub async fn vhost(&self, prefix: &str) -> Result<String> {
        let name = format!("{prefix}-{}", self.vhosts.fetch_add(1, Ordering::Relaxed));
        self.add_vhost(&name).await?;
        Ok(name)
    }

    /// Stops the node in order; ports and data stay.
    pub async fn stop(&self) -> Result<()> {
        self.node.stop().await
    }

    /// Ends the node as a crash would.
    pub async fn kill(&self) -> Result<()> {
        self.node.kill().await
    }

    /// Starts a stopped or killed node with its ports and data.
    pub async fn start_again(&self) -> Result<()> {
        self.node.start_again().await
    }

    /// Ends the node and waits until nothing of it is left. Dropping it does the same without waiting.
    pub async fn shut_down(self) -> Result<()> {
        self.node.shut_down().await
    }

    /// The folder of the node's logs.
    pub fn logs(&self) -> std::path::PathBuf {
        self.node.logs()
    }

    /// The folder of the logs of the daemon that knows its ports.
    pub fn epmd_logs(&self) -> std::path::PathBuf {
        self.node.epmd_logs()
    }

    /// Stops the management plugin; AMQP goes on.
    pub async fn stop_management(&self) -> Result<()> {
        self.node.set_management(false).await
    }

    pub async fn start_management(&self) -> Result<()> {
        self.node.set_management(true).await
    }

    /// `rabbitmqctl …` against this node (about a second): its standard output.
    pub async fn ctl(&self, args: &[&str]) -> Result<String> {
        self.node.tool("rabbitmqctl", args).await
    }
}
