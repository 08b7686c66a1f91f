//! The Kafka side of `awp worker`.
#![expect(clippy::doc_markdown, reason = "doc comments on arguments are the help text, which shows backticks")]

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;

use super::Common;
use crate::cli::kafka::KafkaConnectionArgs;
use crate::runtime::broker::Broker;
use crate::runtime::kafka::{GroupProtocol, Isolation, Kafka, OffsetReset, Settings};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaArgs {
    #[command(flatten)]
    connection: KafkaConnectionArgs,
    /// The topic to take tasks from. May be repeated; AWP_TOPICS is separated by commas.
    #[arg(long = "topic", env = "AWP_TOPICS", value_delimiter = ',')]
    topics: Vec<String>,
    /// The consumer group to be a member of.
    #[arg(long, env = "AWP_GROUP")]
    group: Option<String>,
    /// Where a partition begins of which the group has committed nothing.
    #[arg(long, env = "AWP_OFFSET_RESET", value_enum, ignore_case = true, default_value = "Earliest")]
    offset_reset: ResetChoice,
    /// Whether records of transactions that are open or aborted are seen.
    #[arg(long, env = "AWP_ISOLATION", value_enum, ignore_case = true, default_value = "ReadCommitted")]
    isolation: IsolationChoice,
    /// How to be a member: Consumer is the protocol of Kafka 4, Classic the one before, Auto takes
    /// the first where the brokers have it.
    #[arg(long, env = "AWP_GROUP_PROTOCOL", value_enum, ignore_case = true, default_value = "Auto")]
    group_protocol: ProtocolChoice,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum ResetChoice {
    Earliest,
    Latest,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum IsolationChoice {
    ReadUncommitted,
    ReadCommitted,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum ProtocolChoice {
    Auto,
    Consumer,
    Classic,
}

impl KafkaArgs {
    pub fn broker(&self, common: &Common, task_timeout: Option<Duration>) -> anyhow::Result<Arc<dyn Broker>> {
        let (credentials, tls) = (common.credentials_dir.clone(), common.tls_dir.clone());
        let connection = self.connection.connection(common.name.clone(), credentials, tls)?;
        let topics = self.topics.iter().map(|topic| topic.trim().to_owned()).filter(|topic| !topic.is_empty());
        let topics: Vec<String> = topics.collect();
        anyhow::ensure!(!topics.is_empty(), "name the topic: --topic NAME, or AWP_TOPICS");
        let group = self.group.clone().context("name the consumer group: --group NAME, or AWP_GROUP")?;
        let settings = Settings {
            connection,
            topics,
            group,
            offset_reset: match self.offset_reset {
                ResetChoice::Earliest => OffsetReset::Earliest,
                ResetChoice::Latest => OffsetReset::Latest,
            },
            isolation: match self.isolation {
                IsolationChoice::ReadUncommitted => Isolation::ReadUncommitted,
                IsolationChoice::ReadCommitted => Isolation::ReadCommitted,
            },
            group_protocol: match self.group_protocol {
                ProtocolChoice::Auto => GroupProtocol::Auto,
                ProtocolChoice::Consumer => GroupProtocol::Consumer,
                ProtocolChoice::Classic => GroupProtocol::Classic,
            },
            dead_letter: common.dead_letter.clone().unwrap_or_default(),
            task_timeout,
        };
        Ok(Arc::new(Kafka::new(settings)?))
    }
}
