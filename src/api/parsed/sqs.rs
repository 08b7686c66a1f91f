//! `spec.broker.sqs`, understood.

use super::super::invalid::Invalid;
use super::super::names::secret_keys;
use super::super::spec;
use crate::aws;

#[derive(Clone, Debug, PartialEq)]
pub struct Sqs {
    /// Without a slash at the end. Its shape is checked by whoever asks.
    pub queue_url: String,
    pub region: String,
    /// `None` = Amazon's own.
    pub endpoint: Option<String>,
    pub access: Access,
}

/// As whom the operator asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Access {
    /// By its own identity.
    Ambient,
    Keys(AwsKeys),
    /// By a role that it assumes.
    Role(String),
}

/// Where AWS keys are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AwsKeys {
    pub secret: String,
    pub access_key_id_key: String,
    pub secret_access_key_key: String,
    /// May be missing in the Secret.
    pub session_token_key: String,
}

impl AwsKeys {
    /// In `secret`, under the usual keys.
    pub fn in_secret(secret: String) -> Self {
        Self {
            secret,
            access_key_id_key: secret_keys::AWS_ACCESS_KEY_ID.to_owned(),
            secret_access_key_key: secret_keys::AWS_SECRET_ACCESS_KEY.to_owned(),
            session_token_key: secret_keys::AWS_SESSION_TOKEN.to_owned(),
        }
    }
}

impl Sqs {
    /// The keys that the operator has, and workers without their own.
    pub fn keys(&self) -> Option<&AwsKeys> {
        match &self.access {
            Access::Keys(keys) => Some(keys),
            Access::Ambient | Access::Role(_) => None,
        }
    }
}

impl From<&spec::AwsCredentials> for AwsKeys {
    fn from(credentials: &spec::AwsCredentials) -> Self {
        let spec::AwsSecretRef { name, access_key_id_key, secret_access_key_key, session_token_key } =
            credentials.secret_ref.clone();
        let usual = Self::in_secret(name);
        Self {
            access_key_id_key: access_key_id_key.unwrap_or(usual.access_key_id_key),
            secret_access_key_key: secret_access_key_key.unwrap_or(usual.secret_access_key_key),
            session_token_key: session_token_key.unwrap_or(usual.session_token_key),
            secret: usual.secret,
        }
    }
}

impl TryFrom<&spec::Sqs> for Sqs {
    type Error = Invalid;

    fn try_from(sqs: &spec::Sqs) -> Result<Self, Invalid> {
        let field = |name: &str| format!("spec.broker.sqs.{name}");
        for (name, address) in [("queueUrl", Some(&sqs.queue_url)), ("endpoint", sqs.endpoint.as_ref())] {
            if address.is_some_and(|address| address.contains('@')) {
                return Err(Invalid::new(field(name), "write it without credentials: they belong in a Secret"));
            }
        }
        let on_aws = sqs.queue_url.starts_with("https://") && aws::is_on_aws(&sqs.queue_url);
        if sqs.endpoint.is_none() && !on_aws {
            return Err(Invalid::new(
                field("endpoint"),
                "write the server's address: queueUrl is not on Amazon's https",
            ));
        }
        let told = aws::region(&sqs.queue_url);
        let region = match (sqs.region.as_deref(), told) {
            (Some(region), Some(told)) if region != told => {
                return Err(Invalid::new(field("region"), "leave it out, or write the region that queueUrl is in"));
            }
            (Some(region), _) | (None, Some(region)) => region.to_owned(),
            (None, None) => {
                return Err(Invalid::new(field("region"), "write the queue's region: queueUrl does not tell it"));
            }
        };
        let access = match (&sqs.credentials, &sqs.assume_role_arn) {
            (Some(_), Some(_)) => {
                return Err(Invalid::new(field("assumeRoleArn"), "leave out credentials or assumeRoleArn"));
            }
            (Some(credentials), None) => Access::Keys(credentials.into()),
            (None, Some(role)) => Access::Role(role.clone()),
            (None, None) => Access::Ambient,
        };
        Ok(Self {
            queue_url: sqs.queue_url.trim_end_matches('/').to_owned(),
            region,
            endpoint: sqs.endpoint.clone(),
            access,
        })
    }
}
