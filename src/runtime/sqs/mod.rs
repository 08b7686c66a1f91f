//! The runtime's Amazon SQS.
//!
//! A message that was received is hidden from others for two minutes, and the time is renewed long before
//! it ends, for as long as the task takes. What is done is deleted; what was not begun is made visible
//! again at once. There is no connection: a subscription that fails takes no task away.

mod dead_letter;
mod delivery;
mod keeper;
mod subscription;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::OnceCell;

use super::broker::{Broker, SubscribeError, Subscription};
use crate::aws::{self, Failure, Identity, Kind, Patience};
use keeper::Keeper;

/// What is received is hidden for so long, and renewed after a third of it: two renewals may fail.
pub const VISIBILITY: Duration = Duration::from_secs(120);

/// Longest that a receive waits for a message; SQS allows no more.
pub const LONG_POLL: Duration = Duration::from_secs(20);

const PATIENCE: Patience = Patience { connect: Duration::from_secs(5), attempt: Duration::from_secs(10), tries: 3 };

#[derive(Clone, Debug)]
pub struct Settings {
    pub identity: Identity,
    pub queue_url: String,
    /// The URL of the queue for dead letters.
    pub dead_letter: String,
    /// Whole seconds, at least one.
    pub visibility: Duration,
    /// Whole seconds, at most [`LONG_POLL`].
    pub long_poll: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error(
        "no place for dead letters: a task that fails would be lost. Set AWP_DEAD_LETTER (--dead-letter) to a queue's URL. In a pool the operator sets it, from the queue's redrive policy or spec.deadLetter.queue: give the queue one of them"
    )]
    NoDeadLetter,
    #[error(
        "dead letters would go back to the work queue and run for ever: name another queue by AWP_DEAD_LETTER (--dead-letter)"
    )]
    WorkQueue,
    #[error("a visibility timeout has 1 s to 12 h")]
    Visibility,
}

impl Settings {
    /// What no retry can mend.
    fn check(&self) -> Result<(), SettingsError> {
        if self.dead_letter.is_empty() {
            return Err(SettingsError::NoDeadLetter);
        }
        if self.dead_letter.trim_end_matches('/') == self.queue_url.trim_end_matches('/') {
            return Err(SettingsError::WorkQueue);
        }
        match self.visibility.as_secs() {
            1..=43_200 => Ok(()),
            _ => Err(SettingsError::Visibility),
        }
    }
}

#[derive(Debug)]
pub struct Sqs {
    settings: Arc<Settings>,
    link: OnceCell<Arc<Link>>,
}

/// What subscriptions and deliveries share.
#[derive(Debug)]
struct Link {
    settings: Arc<Settings>,
    client: Client,
    keeper: Keeper,
}

impl Sqs {
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self { settings: Arc::new(settings), link: OnceCell::new() })
    }

    async fn link(&self) -> Arc<Link> {
        let made = self.link.get_or_init(async || {
            let client = aws::client(&self.settings.identity, PATIENCE).await;
            let keeper = Keeper::default();
            tokio::spawn(keeper::keep(keeper.clone(), client.clone(), self.settings.clone()));
            Arc::new(Link { settings: self.settings.clone(), client, keeper })
        });
        made.await.clone()
    }
}

impl Broker for Sqs {
    fn subscribe(&self, slots: u16) -> BoxFuture<'_, Result<Box<dyn Subscription>, SubscribeError>> {
        async move {
            let subscription = subscription::open(self.link().await, slots).await?;
            Ok(Box::new(subscription) as Box<dyn Subscription>)
        }
        .boxed()
    }
}

/// In words, with the remedy; `action` was asked of `queue`.
fn words(failure: &Failure, identity: &Identity, queue: &str, action: &str) -> String {
    let (address, name) = (identity.address(), aws::name(queue));
    let detail = if failure.detail.is_empty() { String::new() } else { format!(": {}", failure.detail) };
    match failure.kind {
        Kind::Unreachable => format!("cannot reach SQS at {address}{detail}"),
        Kind::Server => format!("SQS at {address} has trouble of its own{detail}"),
        Kind::Throttled => format!("SQS at {address} asks for fewer requests"),
        Kind::NoCredentials => {
            let remedy = "set AWP_CREDENTIALS_DIR (in a pool: broker.sqs.credentials or worker.credentials), or give the \
                          pod's ServiceAccount an identity (IRSA or Pod Identity)";
            failure.missing("there are no AWS credentials", remedy)
        }
        Kind::Expired => format!("the credentials for {address} have expired; new ones are looked for"),
        Kind::LoginRefused => format!("SQS at {address} refuses the credentials: check the keys"),
        Kind::RoleRefused | Kind::AskerRefused => {
            "STS gives no credentials for the role: check AWS_ROLE_ARN and the role's trust policy".to_owned()
        }
        Kind::Denied => format!("this identity may not do sqs:{action} on queue {name:?}: allow it in its policy"),
        Kind::QueueMissing => format!("there is no queue {name:?} at {address}: create it or correct AWP_QUEUE_URL"),
        Kind::NotSqs => format!("{address} does not answer as SQS: check AWP_ENDPOINT and AWP_REGION"),
        Kind::NotHeld => {
            format!("queue {name:?} gave the message to somebody else: its visibility timeout had run out")
        }
        Kind::Refused => format!("SQS at {address} refuses sqs:{action} on queue {name:?}{detail}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Login;

    fn settings(dead_letter: &str, visibility: u64) -> Result<(), SettingsError> {
        Settings {
            identity: Identity { region: "eu-west-1".into(), endpoint: None, login: Login::Ambient },
            queue_url: "https://sqs.eu-west-1.amazonaws.com/1/tasks".into(),
            dead_letter: dead_letter.into(),
            visibility: Duration::from_secs(visibility),
            long_poll: LONG_POLL,
        }
        .check()
    }

    #[test]
    fn a_worker_that_could_lose_a_task_does_not_start() {
        let failed = "https://sqs.eu-west-1.amazonaws.com/1/failed";
        assert_eq!(settings(failed, 120), Ok(()));
        assert_eq!(settings("", 120), Err(SettingsError::NoDeadLetter));
        assert_eq!(settings("https://sqs.eu-west-1.amazonaws.com/1/tasks/", 120), Err(SettingsError::WorkQueue));
        assert_eq!(settings(failed, 0), Err(SettingsError::Visibility));
    }
}
