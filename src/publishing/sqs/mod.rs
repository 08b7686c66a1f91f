//! Amazon SQS: in batches, each entry's result looked at.

mod batches;
mod declare;

use std::time::Duration;

use anyhow::Result;
use aws_sdk_sqs::Client;
use futures::future::BoxFuture;

use super::tasks::Task;
use super::{Progress, Sent, Target};
use crate::aws::{self, Failure, Identity, Kind, Patience};

const PATIENCE: Patience = Patience { connect: Duration::from_secs(5), attempt: Duration::from_secs(15), tries: 3 };

/// One queue.
#[derive(Debug)]
pub struct Queue {
    client: Client,
    identity: Identity,
    url: String,
    /// The message group of every task, in a FIFO queue; `None` = each task is a group of its own.
    group: Option<String>,
}

impl Queue {
    pub async fn new(identity: Identity, url: String, group: Option<String>) -> Self {
        Self { client: aws::client(&identity, PATIENCE).await, identity, url, group }
    }

    /// What a request that failed means, with the remedy.
    fn words(&self, failure: &Failure, action: &str) -> String {
        let (address, name) = (self.identity.address(), aws::name(&self.url));
        match failure.kind {
            Kind::QueueMissing => format!("there is no queue {name:?} at {address}: make it with --declare"),
            Kind::Denied => format!("this identity may not do sqs:{action} on queue {name:?}: allow it in its policy"),
            Kind::NoCredentials => {
                let remedy = "set AWP_CREDENTIALS_DIR, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE";
                failure.missing("there are no AWS credentials", remedy)
            }
            Kind::RoleRefused | Kind::AskerRefused => {
                "STS gives no credentials for the role: check AWS_ROLE_ARN and the role's trust policy".to_owned()
            }
            Kind::LoginRefused | Kind::Expired => {
                format!("{address} refuses the credentials: they are wrong or have expired")
            }
            Kind::Unreachable => format!("cannot reach SQS at {address}: {}", failure.detail),
            _ => format!("SQS at {address} refuses sqs:{action} on queue {name:?} {}", failure.detail),
        }
    }
}

impl Target for Queue {
    fn declare(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        Box::pin(self.declare_both())
    }

    fn send<'a>(&'a self, tasks: &'a [Task], progress: &'a mut Progress<'_>) -> BoxFuture<'a, Sent> {
        Box::pin(self.send_all(tasks, progress))
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}
