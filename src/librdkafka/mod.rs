//! Clients of librdkafka: where to connect and as whom goes in, a configuration comes out, and what
//! its clients complain of is turned into words for people.
//!
//! Only workers and publishers use it. Each client has several threads, and its calls block: the
//! operator reads Kafka another way.

mod complaints;

use std::path::PathBuf;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use crate::amqp::{Credentials, Login, LoginError};
use crate::net::tls::TlsFiles;

pub use complaints::Complaints;

/// Where a cluster is, and as whom to go there.
#[derive(Clone, Debug)]
pub struct Connection {
    /// `host:port`, separated by commas.
    pub bootstrap_servers: String,
    pub sasl: Option<Sasl>,
    /// Encrypt; with a TLS folder it is so anyway.
    pub tls: bool,
    /// A folder with ca.crt, tls.crt, tls.key, each optional.
    pub tls_folder: Option<PathBuf>,
    /// `client.id`: brokers show it in logs and in descriptions of groups.
    pub name: String,
}

#[derive(Clone, Debug)]
pub struct Sasl {
    pub mechanism: Mechanism,
    pub login: Login,
}

/// As whom a client goes: what was read of login and TLS files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    login: Option<Credentials>,
    files: TlsFiles,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("name the cluster's brokers as host:port, separated by commas, without a scheme: {0:?} is none")]
    Bootstrap(String),
    #[error(
        "this awp is built without the feature kafka-tls: it can do neither TLS nor SCRAM for Kafka. Build it with the feature (the released image has it), or use a listener without"
    )]
    WithoutTls,
    #[error(transparent)]
    Login(#[from] LoginError),
    #[error("{0}")]
    TlsFiles(String),
    #[error("{0:?} is no name of a topic: 1 to 249 letters, digits, dots, dashes and underscores, and not only dots")]
    Topic(String),
    #[error("a consumer group needs a name, without control characters")]
    Group,
    /// Of a setting whose value is a secret only the name is told.
    #[error("librdkafka does not take the setting {0}")]
    Setting(String),
    #[error("{0}")]
    Client(String),
}

impl Mechanism {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl Connection {
    /// What no retry can mend.
    pub fn check(&self) -> Result<(), Error> {
        self.servers()?;
        let scram = self.sasl.as_ref().is_some_and(|sasl| sasl.mechanism != Mechanism::Plain);
        if cfg!(not(feature = "kafka-tls")) && (self.encrypted() || scram) {
            return Err(Error::WithoutTls);
        }
        Ok(())
    }

    /// Hosts (an IPv6 address without brackets) and ports.
    pub fn servers(&self) -> Result<Vec<(String, u16)>, Error> {
        // Whatever holds an `@` may hold a password: it is not repeated.
        if self.bootstrap_servers.contains('@') {
            return Err(Error::Bootstrap("what holds an @".to_owned()));
        }
        let server = |text: &str| {
            let (host, port) = text.rsplit_once(':')?;
            let port = port.parse().ok().filter(|&port| port > 0)?;
            let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            (!host.is_empty() && !host.contains(['/', ' '])).then(|| (host.to_owned(), port))
        };
        let servers = self.bootstrap_servers.split(',').map(str::trim);
        servers.map(|text| server(text).ok_or_else(|| Error::Bootstrap(text.to_owned()))).collect()
    }

    pub fn encrypted(&self) -> bool {
        self.tls || self.tls_folder.is_some()
    }

    /// Reads the files anew: Secrets rotate under a running process.
    pub fn identity(&self) -> Result<Identity, Error> {
        let login = self.sasl.as_ref().map(|sasl| sasl.login.read()).transpose()?;
        let files = TlsFiles::read(self.tls_folder.as_deref()).map_err(|error| Error::TlsFiles(error.to_string()))?;
        Ok(Identity { login, files })
    }

    pub fn config(&self) -> Result<ClientConfig, Error> {
        self.config_as(self.identity()?)
    }

    /// A client keeps its identity for as long as it lives.
    pub fn config_as(&self, identity: Identity) -> Result<ClientConfig, Error> {
        self.check()?;
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Warning);
        config.set("bootstrap.servers", self.bootstrap_servers.as_str()).set("client.id", self.name.as_str());
        // A broker that is gone without a word is noticed by the kernel.
        config.set("socket.keepalive.enable", "true");
        // A restarted broker is found again within seconds, by a thousand workers not all at once.
        config.set("reconnect.backoff.max.ms", "5000");
        config.set(
            "security.protocol",
            match (self.sasl.is_some(), self.encrypted()) {
                (false, false) => "plaintext",
                (false, true) => "ssl",
                (true, false) => "sasl_plaintext",
                (true, true) => "sasl_ssl",
            },
        );
        if let (Some(sasl), Some(login)) = (&self.sasl, identity.login) {
            config.set("sasl.mechanism", sasl.mechanism.name());
            config.set("sasl.username", login.username).set("sasl.password", login.password);
        }
        if self.encrypted() {
            encrypt(&mut config, identity.files)?;
        }
        Ok(config)
    }
}

fn encrypt(config: &mut ClientConfig, files: TlsFiles) -> Result<(), Error> {
    let text = |name: &str, pem: Vec<u8>| {
        String::from_utf8(pem).map_err(|_| Error::TlsFiles(format!("the TLS file {name} is not PEM")))
    };
    config.set("enable.ssl.certificate.verification", "true");
    config.set("ssl.endpoint.identification.algorithm", "https");
    match files.ca_pem {
        Some(ca) => config.set("ssl.ca.pem", text("ca.crt", ca)?),
        // The OpenSSL that is built in knows no folder of the system's: look where distributions put it.
        None => config.set("ssl.ca.location", "probe"),
    };
    if let Some((certificate, key)) = files.client_pem {
        config.set("ssl.certificate.pem", text("tls.crt", certificate)?);
        config.set("ssl.key.pem", text("tls.key", key)?);
    }
    Ok(())
}

/// Kafka's rule for names of topics.
pub fn topic(name: &str) -> Result<(), Error> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let usable = (1..=249).contains(&name.len()) && name.chars().all(legal) && name != "." && name != "..";
    if usable { Ok(()) } else { Err(Error::Topic(name.chars().take(60).collect())) }
}

pub fn group(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.chars().any(char::is_control) { Err(Error::Group) } else { Ok(()) }
}

/// A producer whose records are certainly there, once each, when it says so.
pub fn certain(config: &mut ClientConfig, within: Duration) {
    config.set("acks", "all").set("enable.idempotence", "true").set("linger.ms", "5");
    // Without a key each record goes to a partition by chance. librdkafka's custom is to stay with one
    // for some milliseconds: a burst of tasks would lie on one partition, and one worker would do it all.
    config.set("sticky.partitioning.linger.ms", "0");
    // A mistyped name is an error, not a new topic of one partition.
    config.set("allow.auto.create.topics", "false");
    config.set("message.timeout.ms", within.as_millis().to_string());
    // The broker's limit and the topic's decide, not one of the client's own.
    config.set("message.max.bytes", "1000000000");
}

/// Why there is no client. librdkafka's own words repeat values, and some of them are secrets.
pub fn refused(error: KafkaError) -> Error {
    match error {
        KafkaError::ClientConfig(_, _, name, _) => Error::Setting(name),
        other => Error::Client(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(servers: &str) -> Connection {
        Connection {
            bootstrap_servers: servers.to_owned(),
            sasl: None,
            tls: false,
            tls_folder: None,
            name: "test".to_owned(),
        }
    }

    fn with_login(mechanism: Mechanism) -> Connection {
        let credentials = Credentials { username: "worker".into(), password: "hunter2".into() };
        Connection { sasl: Some(Sasl { mechanism, login: Login::Given(credentials) }), ..to("kafka:9092") }
    }

    #[test]
    fn brokers_are_hosts_with_ports() {
        let three = [("a".to_owned(), 1), ("::1".to_owned(), 9092), ("10.0.0.1".to_owned(), 65535)];
        assert_eq!(to("a:1, [::1]:9092,10.0.0.1:65535").servers(), Ok(three.to_vec()));
        assert_eq!(to("kafka:9092").check(), Ok(()));
        for bad in ["", "kafka", "kafka:", ":9092", "kafka:0", "kafka:99999", "kafka://kafka:9092", "a:1,", "a:1,,b:2"]
        {
            assert!(matches!(to(bad).check(), Err(Error::Bootstrap(_))), "{bad}");
        }
    }

    #[test]
    fn no_message_repeats_a_password() {
        let error = to("user:hunter2@kafka:9092").check().unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        let value = || "hunter2".to_owned();
        let error = KafkaError::ClientConfig(
            rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_INVALID,
            value(),
            "sasl.password".to_owned(),
            value(),
        );
        assert_eq!(refused(error).to_string(), "librdkafka does not take the setting sasl.password");
        assert!(!format!("{:?}", with_login(Mechanism::Plain)).contains("hunter2"));
    }

    #[test]
    fn a_login_and_encryption_choose_the_protocol() {
        let protocol =
            |connection: &Connection| connection.config().unwrap().get("security.protocol").unwrap().to_owned();
        assert_eq!(protocol(&to("kafka:9092")), "plaintext");
        assert_eq!(protocol(&with_login(Mechanism::Plain)), "sasl_plaintext");
        if cfg!(feature = "kafka-tls") {
            assert_eq!(protocol(&Connection { tls: true, ..to("kafka:9092") }), "ssl");
            let both = Connection { tls: true, ..with_login(Mechanism::ScramSha512) };
            assert_eq!(protocol(&both), "sasl_ssl");
            assert_eq!(both.config().unwrap().get("sasl.mechanism"), Some("SCRAM-SHA-512"));
        } else {
            assert_eq!(with_login(Mechanism::ScramSha256).check(), Err(Error::WithoutTls));
        }
    }

    #[test]
    fn names_that_the_brokers_would_refuse_are_refused_here() {
        assert_eq!(topic("tasks.research-v2_failed"), Ok(()));
        for bad in ["", ".", "..", "a b", "a/b", "ü", "a\0b", &"x".repeat(250)] {
            assert!(topic(bad).is_err(), "{bad:?}");
        }
        assert_eq!(group("research workers"), Ok(()));
        assert!(group("").is_err() && group("a\0").is_err());
    }

    #[test]
    fn a_tls_folder_alone_encrypts_and_only_its_authority_is_trusted() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.crt"), "-----BEGIN CERTIFICATE-----").unwrap();
        let connection = Connection { tls_folder: Some(folder.path().into()), ..to("kafka:9093") };
        if cfg!(feature = "kafka-tls") {
            let config = connection.config().unwrap();
            assert_eq!(config.get("security.protocol"), Some("ssl"));
            assert_eq!(config.get("ssl.ca.pem"), Some("-----BEGIN CERTIFICATE-----"));
            assert_eq!(config.get("ssl.ca.location"), None);
            assert_eq!(config.get("enable.ssl.certificate.verification"), Some("true"));
        } else {
            assert_eq!(connection.check(), Err(Error::WithoutTls));
        }
    }
}
