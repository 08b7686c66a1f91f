//! A real Apache Kafka on loopback, of one broker or three, and what tests do to it.
//!
//! Each broker is reached in five ways ([`Listener`]). Who connects without a login is an administrator; logins exist for
//! [`ADMIN`] and [`READER`], the latter with no permission until [`Kafka::allow`] gives one. Brokers before 3.3 are
//! without permissions and TLS here, those before 3.5 without SCRAM.

mod broker;
mod clients;
mod configuration;

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use tokio::sync::OnceCell;

use crate::base::cache::Cache;
use crate::base::install_crypto_provider;
use crate::base::pki::{Authority, Identity};
use crate::base::scratch::Scratch;
use crate::install::kafka as install;
pub use broker::Broker;
use clients::Clients;
pub use clients::{Producer, Transaction};
pub use configuration::Listener;

/// A user who may do everything, by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512.
pub const ADMIN: &str = "admin";
pub const ADMIN_PASSWORD: &str = "admin-password";
/// A user who may do what [`Kafka::allow`] said, by the same mechanisms.
pub const READER: &str = "reader";
pub const READER_PASSWORD: &str = "reader-password";

/// How a cluster differs from the usual one.
#[derive(Clone, Debug)]
pub struct Options {
    /// 1 or 3; each is broker and controller.
    pub brokers: usize,
    /// More lines of `server.properties`, the same for all brokers.
    pub extra: String,
    /// Every request is a line in the broker's log ([`Broker::log`]).
    pub request_log: bool,
    /// One that is installed.
    pub version: String,
    /// A relay before a listener of one broker: clients are told its port instead of the broker's own.
    pub relay: Option<(Listener, u16)>,
}

impl Default for Options {
    fn default() -> Self {
        let version = std::env::var("AWP_TESTBED_KAFKA").unwrap_or_else(|_| install::VERSION.to_owned());
        Self { brokers: 1, extra: String::new(), request_log: false, version, relay: None }
    }
}

#[derive(Debug)]
pub struct Kafka {
    brokers: Vec<Broker>,
    authority: Authority,
    clients: Clients,
    names: AtomicU32,
    scratch: Scratch,
}

static SHARED: OnceCell<Kafka> = OnceCell::const_new();

/// The one broker that all tests of this process share, started by the first who asks. Tests get apart by the names of
/// topics and groups.
///
/// # Panics
/// When it cannot be started, with the reason.
pub async fn kafka() -> &'static Kafka {
    let started = SHARED.get_or_try_init(async || Kafka::start(Options::default()).await).await;
    started.unwrap_or_else(|error| panic!("Apache Kafka does not start: {error:#}"))
}

impl Kafka {
    /// A cluster of one's own.
    pub async fn start(options: Options) -> Result<Self> {
        install_crypto_provider();
        let jars = install::kafka(&options.version).find(&Cache::of_user()?)?;
        let scratch = Scratch::new("kafka")?;
        let authority = Authority::new("awp-testbed Kafka")?;
        let brokers = broker::set_up(&jars, &scratch, &authority, &options)?;
        futures::future::try_join_all(brokers.iter().map(Broker::format)).await?;
        futures::future::try_join_all(brokers.iter().map(|broker| broker.start_again(&scratch))).await?;
        let bootstrap = bootstrap(&brokers, Listener::Plaintext).join(",");
        let clients = Clients::new(bootstrap);
        clients.wait_for_brokers(brokers.len()).await?;
        Ok(Self { brokers, authority, clients, names: AtomicU32::new(0), scratch })
    }

    /// `127.0.0.1:PORT` of every broker, without encryption and login.
    pub fn bootstrap(&self) -> Vec<String> {
        self.bootstrap_by(Listener::Plaintext)
    }

    /// `HOST:PORT` of every broker; the host is `localhost` where there is TLS.
    pub fn bootstrap_by(&self, listener: Listener) -> Vec<String> {
        bootstrap(&self.brokers, listener)
    }

    /// The authority that signed the brokers' certificates.
    pub fn ca_pem(&self) -> String {
        self.authority.pem()
    }

    /// A certificate for [`Listener::MutualTls`]; the user is `name`.
    pub fn client_certificate(&self, name: &str) -> Result<Identity> {
        self.authority.client(name, None)
    }

    pub fn brokers(&self) -> &[Broker] {
        &self.brokers
    }

    /// The broker with this node id (they count from 1).
    pub fn broker(&self, id: i32) -> Result<&Broker> {
        self.brokers.iter().find(|broker| broker.id() == id).with_context(|| format!("no broker {id}"))
    }

    /// Starts a stopped or killed broker with its ports and data.
    pub async fn start_again(&self, id: i32) -> Result<()> {
        self.broker(id)?.start_again(&self.scratch).await
    }

    /// A name that no other test of this process has, for a topic or a group.
    pub fn name(&self, prefix: &str) -> String {
        format!("{prefix}-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// A new topic with a unique name, on all brokers, ready to be used.
    pub async fn topic(&self, prefix: &str, partitions: usize) -> Result<String> {
        let name = self.name(prefix);
        self.create_topic(&name, partitions, &[]).await?;
        Ok(name)
    }

    /// A topic with settings of its own (`retention.ms` …), replicated to all brokers; waits for its leaders.
    pub async fn create_topic(&self, name: &str, partitions: usize, settings: &[(&str, &str)]) -> Result<()> {
        self.clients.create_topic(name, partitions, self.brokers.len(), settings).await
    }

    /// Deletes it and waits until it is gone from the metadata.
    pub async fn delete_topic(&self, name: &str) -> Result<()> {
        self.clients.delete_topic(name).await
    }

    /// Raises the number of partitions to `total`.
    pub async fn add_partitions(&self, topic: &str, total: usize) -> Result<()> {
        self.clients.add_partitions(topic, total).await
    }

    /// Removes all records before offset `before`, as retention does.
    pub async fn delete_records(&self, topic: &str, partition: i32, before: i64) -> Result<()> {
        self.clients.delete_records(topic, partition, before).await
    }

    /// Puts `bodies` on one partition and waits until all in-sync replicas have them.
    pub async fn produce(&self, topic: &str, partition: i32, bodies: &[&str]) -> Result<()> {
        self.clients.produce(topic, partition, bodies, None).await
    }

    /// The same with a time of the records' own, in milliseconds since 1970.
    pub async fn produce_at(&self, topic: &str, partition: i32, bodies: &[&str], millis: i64) -> Result<()> {
        self.clients.produce(topic, partition, bodies, Some(millis)).await
    }

    /// For many records: its connection stays open.
    pub fn producer(&self) -> Result<Producer> {
        self.clients.producer()
    }

    /// Opens a transaction, puts `bodies` into it and leaves it open.
    pub async fn transaction(&self, topic: &str, partition: i32, bodies: &[&str]) -> Result<Transaction> {
        self.clients.transaction(&self.name("transaction"), topic, partition, bodies).await
    }

    /// Commits for a group without members, as a consumer that assigns partitions to itself does.
    pub async fn commit(&self, group: &str, topic: &str, offsets: &[(i32, i64)]) -> Result<()> {
        self.clients.commit(group, topic, offsets).await
    }

    /// What the group has committed, by partition; partitions without a commit are left out.
    pub async fn committed(&self, group: &str, topic: &str, partitions: &[i32]) -> Result<Vec<(i32, i64)>> {
        self.clients.committed(group, topic, partitions).await
    }

    /// Where the partitions end: the offsets of the records that will come next.
    pub async fn ends(&self, topic: &str, partitions: &[i32]) -> Result<Vec<(i32, i64)>> {
        self.clients.ends(topic, partitions).await
    }

    /// Deletes a group without members and its commits.
    pub async fn delete_group(&self, group: &str) -> Result<()> {
        self.clients.delete_group(group).await
    }

    /// Gives [`READER`] a permission: `kafka-acls --add`, about three seconds. `on` is for example
    /// `["--operation", "Describe", "--topic", "tasks"]`.
    pub async fn allow(&self, on: &[&str]) -> Result<()> {
        let bootstrap = self.bootstrap().join(",");
        let user = format!("User:{READER}");
        let mut args = vec!["--bootstrap-server", &bootstrap, "--add", "--allow-principal", &user];
        args.extend(on);
        self.brokers[0].acl_tool(&args).await
    }

    /// One of Kafka's Java tools by its class (`org.apache.kafka.tools.consumer.group.ConsumerGroupCommand`, …), a few
    /// seconds: its standard output.
    pub async fn tool(&self, class: &str, args: &[&str]) -> Result<String> {
        self.brokers[0].tool(class, args).await
    }

    /// Ends all brokers and waits until nothing of them is left. Dropping does the same without waiting.
    pub async fn shut_down(self) -> Result<()> {
        let Self { brokers, clients, scratch, .. } = self;
        drop((brokers, clients));
        scratch.finish().await
    }
}

fn bootstrap(brokers: &[Broker], listener: Listener) -> Vec<String> {
    brokers.iter().map(|broker| broker.address(listener)).collect()
}
