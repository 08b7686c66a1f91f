//! A client for SQS.

use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{Builder, SharedCredentialsProvider};

use super::login::Login;

/// Defaults of the SDK as of this day: an update of it changes nothing by itself.
fn behaviour() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// Where to ask, and as whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    pub region: String,
    /// `None` = Amazon's own, by region. For SQS alone: roles are assumed at Amazon's.
    pub endpoint: Option<String>,
    pub login: Login,
}

impl Identity {
    /// For people and metrics: where it asks.
    pub fn address(&self) -> String {
        self.endpoint.clone().unwrap_or_else(|| format!("sqs.{}.amazonaws.com", self.region))
    }
}

/// How long to wait and how often to try.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub connect: Duration,
    /// For the whole answer to one try.
    pub attempt: Duration,
    /// In all; 1 where the caller has its own backoff.
    pub tries: u32,
}

/// Reads the environment and profiles; asks nobody yet.
pub async fn client(identity: &Identity, patience: Patience) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(patience.connect)
        .operation_attempt_timeout(patience.attempt)
        .operation_timeout(patience.attempt * patience.tries + Duration::from_secs(5))
        .build();
    let mut loader = aws_config::defaults(behaviour()).region(Region::new(identity.region.clone()));
    loader = match &identity.login {
        Login::Keys(keys) => loader.credentials_provider(SharedCredentialsProvider::new(keys.credentials(None))),
        Login::Folder(folder) => loader.credentials_provider(SharedCredentialsProvider::new(folder.clone())),
        Login::Ambient | Login::Role { .. } => loader,
    };
    let shared = loader.load().await;
    let mut config = Builder::from(&shared);
    if let Login::Role { arn, external_id } = &identity.login {
        let role = AssumeRoleProvider::builder(arn).external_id(external_id).session_name("awp").configure(&shared);
        config = config.credentials_provider(role.build().await);
    }
    if let Some(endpoint) = &identity.endpoint {
        config = config.endpoint_url(endpoint);
    }
    let retries = RetryConfig::standard().with_max_attempts(patience.tries.max(1));
    Client::from_conf(config.retry_config(retries).timeout_config(timeouts).build())
}
