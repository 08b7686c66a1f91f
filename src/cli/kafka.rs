//! What `awp worker` and `awp publish` are told alike of a Kafka cluster.

use std::path::PathBuf;

use anyhow::Context;
use clap::ValueEnum;

use crate::amqp::Login;
use crate::librdkafka::{Connection, Mechanism, Sasl};

#[derive(Debug, clap::Args)]
pub struct KafkaConnectionArgs {
    /// The cluster: host:port of one or more brokers, separated by commas.
    #[arg(long, env = "AWP_BOOTSTRAP_SERVERS", value_name = "HOST:PORT,…")]
    bootstrap_servers: Option<String>,
    /// Log in (--credentials-dir) by this mechanism; absent = no login.
    #[arg(long, env = "AWP_SASL_MECHANISM", value_enum, ignore_case = true)]
    sasl_mechanism: Option<MechanismChoice>,
    /// Encrypt, trusting the system's authorities; --tls-dir encrypts as well.
    #[arg(long, env = "AWP_TLS")]
    tls: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MechanismChoice {
    #[value(name = "Plain", alias = "PLAIN")]
    Plain,
    #[value(name = "ScramSha256", alias = "SCRAM-SHA-256")]
    ScramSha256,
    #[value(name = "ScramSha512", alias = "SCRAM-SHA-512")]
    ScramSha512,
}

impl KafkaConnectionArgs {
    pub fn connection(
        &self,
        name: String,
        credentials: Option<PathBuf>,
        tls_folder: Option<PathBuf>,
    ) -> anyhow::Result<Connection> {
        let servers = self.bootstrap_servers.clone();
        let bootstrap_servers =
            servers.context("name the cluster: --bootstrap-servers host:9092, or AWP_BOOTSTRAP_SERVERS")?;
        let variable = |name| std::env::var(name).ok();
        let sasl = match self.sasl_mechanism {
            None => None,
            Some(choice) => {
                let login = Login::from_parts(credentials, variable("AWP_USERNAME"), variable("AWP_PASSWORD"))?;
                Some(Sasl { mechanism: choice.into(), login })
            }
        };
        Ok(Connection { bootstrap_servers, sasl, tls: self.tls, tls_folder, name })
    }
}

impl From<MechanismChoice> for Mechanism {
    fn from(choice: MechanismChoice) -> Self {
        match choice {
            MechanismChoice::Plain => Self::Plain,
            MechanismChoice::ScramSha256 => Self::ScramSha256,
            MechanismChoice::ScramSha512 => Self::ScramSha512,
        }
    }
}
