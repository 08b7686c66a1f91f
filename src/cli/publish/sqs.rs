//! The Amazon SQS side of `awp publish`.

use super::Common;
use crate::cli::sqs::SqsQueueArgs;
use crate::publishing::Target;
use crate::publishing::sqs::Queue;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Amazon SQS")]
pub struct SqsArgs {
    #[command(flatten)]
    queue: SqsQueueArgs,
    /// The message group of all tasks, in a FIFO queue: they are done one after the other. Without it
    /// each task is a group of its own.
    #[arg(long)]
    group_id: Option<String>,
}

impl SqsArgs {
    pub async fn connect(&self, common: &Common) -> anyhow::Result<Box<dyn Target>> {
        let (identity, url) = self.queue.resolve(common.credentials_dir.clone())?;
        Ok(Box::new(Queue::new(identity, url, self.group_id.clone()).await))
    }
}
