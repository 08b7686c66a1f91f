//! What `awp worker` and `awp publish` are told of a queue of Amazon SQS.
#![expect(clippy::doc_markdown, reason = "doc comments on arguments are the help text, which shows backticks")]

use std::path::PathBuf;

use anyhow::Context;

use crate::aws::{self, Folder, Identity, Login};

#[derive(Debug, clap::Args)]
pub struct SqsQueueArgs {
    /// The queue's URL, without credentials: https://sqs.eu-central-1.amazonaws.com/123456789012/research.
    #[arg(long, env = "AWP_QUEUE_URL")]
    queue_url: Option<String>,
    /// Its region. Default: what the URL's host says.
    #[arg(long, env = "AWP_REGION")]
    region: Option<String>,
    /// Another server than Amazon's, like http://localhost:4566.
    #[arg(long, env = "AWP_ENDPOINT")]
    endpoint: Option<String>,
}

impl SqsQueueArgs {
    /// Who asks, and of which queue. `folder` has a file per key of the credentials; without it the process's
    /// own AWS identity is used.
    pub fn resolve(&self, folder: Option<PathBuf>) -> anyhow::Result<(Identity, String)> {
        let url = self.queue_url.as_ref().context("name the queue: --queue-url https://…, or AWP_QUEUE_URL")?;
        for address in [Some(url), self.endpoint.as_ref()].into_iter().flatten() {
            anyhow::ensure!(
                !address.contains('@'),
                "write URLs without credentials: they belong into AWP_CREDENTIALS_DIR or the AWS environment"
            );
        }
        let told = aws::region(url).map(str::to_owned);
        let region = self.region.clone().or(told).context("name the queue's region: --region, or AWP_REGION")?;
        if self.endpoint.is_none() {
            anyhow::ensure!(
                aws::is_on_aws(url),
                "the queue is not on a host of Amazon's: name the server by --endpoint"
            );
        }
        let login = folder.map_or(Login::Ambient, |folder| Login::Folder(Folder(folder)));
        if let Login::Folder(folder) = &login {
            folder.read()?;
        }
        Ok((Identity { region, endpoint: self.endpoint.clone(), login }, url.clone()))
    }
}
