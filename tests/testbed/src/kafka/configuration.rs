//! What stands in a broker's `server.properties`.

use std::path::Path;

use super::{ADMIN, ADMIN_PASSWORD, Options, READER, READER_PASSWORD};
use crate::install::kafka::at_least;

/// A way to reach a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Neither encryption nor login; an administrator.
    Plaintext,
    /// A login (PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512) without encryption.
    Sasl,
    /// TLS without login; an administrator.
    Tls,
    /// TLS that demands a client's certificate, whose common name is the user.
    MutualTls,
    /// A login over TLS.
    SaslTls,
}

pub const LISTENERS: [Listener; 5] =
    [Listener::Plaintext, Listener::Sasl, Listener::Tls, Listener::MutualTls, Listener::SaslTls];

impl Listener {
    /// The name in the configuration, and Kafka's protocol behind it.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Plaintext => ("PLAINTEXT", "PLAINTEXT"),
            Self::Sasl => ("LOGIN", "SASL_PLAINTEXT"),
            Self::Tls => ("TLS", "SSL"),
            Self::MutualTls => ("MUTUAL", "SSL"),
            Self::SaslTls => ("LOGINTLS", "SASL_SSL"),
        }
    }

    /// The certificate names both; with TLS a name is what people use.
    pub fn host(self) -> &'static str {
        match self {
            Self::Plaintext | Self::Sasl => "127.0.0.1",
            Self::Tls | Self::MutualTls | Self::SaslTls => "localhost",
        }
    }

    fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::MutualTls | Self::SaslTls)
    }

    fn has_login(self) -> bool {
        matches!(self, Self::Sasl | Self::SaslTls)
    }
}

#[derive(Clone, Debug)]
pub struct Ports {
    /// In the order of [`LISTENERS`].
    pub clients: [u16; 5],
    pub controller: u16,
    /// What clients are told instead.
    pub relay: Option<(Listener, u16)>,
}

impl Ports {
    fn told(&self, listener: Listener) -> u16 {
        self.relay.filter(|(of, _)| *of == listener).map_or_else(|| self.of(listener), |(_, port)| port)
    }

    pub fn of(&self, listener: Listener) -> u16 {
        LISTENERS.iter().position(|it| *it == listener).map_or(0, |at| self.clients[at])
    }
}

/// Before, a certificate's key had to be encrypted, and permissions were ZooKeeper's.
const NEWER: (u32, u32) = (3, 3);

/// The lines for broker `id` of a cluster whose controllers are `(id, port)`.
pub fn lines(id: i32, ports: &Ports, controllers: &[(i32, u16)], folder: &Path, options: &Options) -> String {
    let replicas = controllers.len();
    let quorum: Vec<String> = controllers.iter().map(|(id, port)| format!("{id}@127.0.0.1:{port}")).collect();
    let known = |it: &Listener| at_least(&options.version, NEWER) || !it.is_encrypted();
    let each =
        |line: &dyn Fn(Listener) -> String| LISTENERS.into_iter().filter(known).map(line).collect::<Vec<_>>().join(",");
    let listeners = each(&|it| format!("{}://127.0.0.1:{}", it.words().0, ports.of(it)));
    let advertised = each(&|it| format!("{}://{}:{}", it.words().0, it.host(), ports.told(it)));
    let protocols = each(&|it| format!("{}:{}", it.words().0, it.words().1));
    let file = |name: &str| folder.join(name).display().to_string();
    let mut lines = vec![
        "process.roles=broker,controller".to_owned(),
        format!("node.id={id}"),
        format!("controller.quorum.voters={}", quorum.join(",")),
        "controller.listener.names=CONTROLLER".to_owned(),
        format!("listeners={listeners},CONTROLLER://127.0.0.1:{}", ports.controller),
        format!("advertised.listeners={advertised}"),
        format!("listener.security.protocol.map={protocols},CONTROLLER:PLAINTEXT"),
        "inter.broker.listener.name=PLAINTEXT".to_owned(),
        format!("log.dirs={}", file("data")),
        "auto.create.topics.enable=false".to_owned(),
        // Few partitions of the internal topics, or the start takes seconds longer.
        "offsets.topic.num.partitions=6".to_owned(),
        format!("offsets.topic.replication.factor={replicas}"),
        "transaction.state.log.num.partitions=3".to_owned(),
        format!("transaction.state.log.replication.factor={replicas}"),
        "transaction.state.log.min.isr=1".to_owned(),
        "share.coordinator.state.topic.num.partitions=1".to_owned(),
        format!("share.coordinator.state.topic.replication.factor={replicas}"),
        "share.coordinator.state.topic.min.isr=1".to_owned(),
        // What a group waits for and forgets is counted in seconds in tests.
        "group.initial.rebalance.delay.ms=0".to_owned(),
        "group.min.session.timeout.ms=1000".to_owned(),
        "group.consumer.min.session.timeout.ms=1000".to_owned(),
        "group.consumer.min.heartbeat.interval.ms=200".to_owned(),
        "ssl.keystore.type=PEM".to_owned(),
        format!("ssl.keystore.location={}", file("server.pem")),
        "ssl.truststore.type=PEM".to_owned(),
        format!("ssl.truststore.location={}", file("ca.crt")),
        "listener.name.mutual.ssl.client.auth=required".to_owned(),
        r"listener.name.mutual.ssl.principal.mapping.rules=RULE:^CN=([^,]*).*$/$1/".to_owned(),
        format!("super.users=User:ANONYMOUS;User:{ADMIN}"),
    ];
    if at_least(&options.version, NEWER) {
        lines.push("authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned());
    }
    for listener in LISTENERS.into_iter().filter(known).filter(|it| it.has_login()) {
        lines.extend(logins(&format!("listener.name.{}", listener.words().0.to_lowercase())));
    }
    lines.push(options.extra.clone());
    lines.join("\n") + "\n"
}

fn logins(listener: &str) -> [String; 4] {
    let package = "org.apache.kafka.common.security";
    let scram = format!("{package}.scram.ScramLoginModule required;");
    let users = [(ADMIN, ADMIN_PASSWORD), (READER, READER_PASSWORD)];
    let plain = users.map(|(name, password)| format!("user_{name}=\"{password}\"")).join(" ");
    [
        format!("{listener}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"),
        format!("{listener}.plain.sasl.jaas.config={package}.plain.PlainLoginModule required {plain};"),
        format!("{listener}.scram-sha-256.sasl.jaas.config={scram}"),
        format!("{listener}.scram-sha-512.sasl.jaas.config={scram}"),
    ]
}

/// Arguments of the format command that create the users of the SCRAM mechanisms.
pub fn scram_users(version: &str) -> Vec<String> {
    if !at_least(version, (3, 5)) {
        return Vec::new();
    }
    let users = [(ADMIN, ADMIN_PASSWORD), (READER, READER_PASSWORD)];
    let each = |mechanism: &'static str| {
        users.map(|(name, password)| format!("{mechanism}=[name={name},password={password}]"))
    };
    let users = ["SCRAM-SHA-256", "SCRAM-SHA-512"].into_iter().flat_map(each);
    users.flat_map(|user| ["--add-scram".to_owned(), user]).collect()
}
