//! The Kafka side of `awp publish`.

use anyhow::Context;

use super::Common;
use crate::cli::kafka::KafkaConnectionArgs;
use crate::publishing::Target;
use crate::publishing::kafka::Topic;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaArgs {
    #[command(flatten)]
    connection: KafkaConnectionArgs,
    /// The topic to publish to.
    #[arg(long, env = "AWP_TOPICS")]
    topic: Option<String>,
    /// The key of the records: all of one key go to one partition. Without it they are spread.
    #[arg(long)]
    key: Option<String>,
    /// Partitions of a topic that --declare makes; absent = 12.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    partitions: Option<u16>,
}

impl KafkaArgs {
    pub async fn connect(&self, common: &Common) -> anyhow::Result<Box<dyn Target>> {
        let name = "awp publish".to_owned();
        let (credentials, tls) = (common.credentials_dir.clone(), common.tls_dir.clone());
        let connection = self.connection.connection(name, credentials, tls)?;
        let topic = self.topic.as_ref().context("name the topic: --topic NAME")?;
        Ok(Box::new(Topic::connect(&connection, topic, self.key.clone(), self.partitions).await?))
    }
}
