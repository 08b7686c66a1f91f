//! The Amazon SQS side of `awp worker`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::Common;
use crate::cli::sqs::SqsQueueArgs;
use crate::runtime::broker::Broker;
use crate::runtime::sqs::{LONG_POLL, Settings, Sqs};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Amazon SQS")]
pub struct SqsArgs {
    #[command(flatten)]
    queue: SqsQueueArgs,
    /// A task's message is hidden from other workers for so long, renewed after a third of it: whole
    /// seconds, like 120s.
    #[arg(long, env = "AWP_VISIBILITY_TIMEOUT", default_value = "120s", value_parser = super::time)]
    visibility_timeout: Duration,
}

impl SqsArgs {
    pub fn broker(&self, common: &Common) -> anyhow::Result<Arc<dyn Broker>> {
        let (identity, queue_url) = self.queue.resolve(common.credentials_dir.clone())?;
        let dead_letter = common.dead_letter.clone().unwrap_or_default();
        let settings =
            Settings { identity, queue_url, dead_letter, visibility: self.visibility_timeout, long_poll: LONG_POLL };
        Ok(Arc::new(Sqs::new(settings).context("the worker does not start")?))
    }
}
