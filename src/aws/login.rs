//! Where credentials come from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;
use aws_sdk_sqs::config::{Credentials, ProvideCredentials};

/// The names of the files in a folder, and of the keys in a Secret.
pub const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
pub const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
pub const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";

/// Files are read again this often: Kubernetes renews them a minute after the Secret.
const READ_AGAIN: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Login {
    /// Whatever this process has: the web identity of its ServiceAccount (IRSA), Pod Identity, the
    /// environment, a profile, the node's role.
    Ambient,
    Keys(Keys),
    /// Files, read again as they change.
    Folder(Folder),
    /// A role that this process assumes by its own identity.
    Role {
        arn: String,
        external_id: String,
    },
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Keys {
    pub access_key_id: String,
    pub secret_access_key: String,
    /// Only temporary credentials have one.
    pub session_token: Option<String>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

impl Keys {
    pub fn credentials(&self, until: Option<SystemTime>) -> Credentials {
        let Self { access_key_id, secret_access_key, session_token } = self.clone();
        Credentials::new(access_key_id, secret_access_key, session_token, until, "awp")
    }
}

/// A folder with a file for each key, as a mounted Secret gives it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Folder(pub PathBuf);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    #[error("{} cannot be read: the AWS credentials are a file per key there: {cause}", file.display())]
    Unreadable { file: PathBuf, cause: String },
    #[error("{} is empty: write the key into it", file.display())]
    Empty { file: PathBuf },
}

impl Folder {
    pub fn read(&self) -> Result<Keys, LoginError> {
        Ok(Keys {
            access_key_id: needed(&self.0.join(ACCESS_KEY_ID))?,
            secret_access_key: needed(&self.0.join(SECRET_ACCESS_KEY))?,
            session_token: needed(&self.0.join(SESSION_TOKEN)).ok(),
        })
    }
}

fn needed(file: &Path) -> Result<String, LoginError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| LoginError::Unreadable { file: file.to_owned(), cause: error.to_string() })?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() { Err(LoginError::Empty { file: file.to_owned() }) } else { Ok(text.to_owned()) }
}

impl ProvideCredentials for Folder {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let keys = self.read().map(|keys| keys.credentials(Some(SystemTime::now() + READ_AGAIN)));
        future::ProvideCredentials::ready(keys.map_err(CredentialsError::provider_error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_holds_a_file_per_key_and_the_token_may_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let login = Folder(folder.path().to_owned());
        assert!(login.read().unwrap_err().to_string().contains("AWS_ACCESS_KEY_ID"));
        std::fs::write(folder.path().join(ACCESS_KEY_ID), "AKIA1\n").unwrap();
        std::fs::write(folder.path().join(SECRET_ACCESS_KEY), "").unwrap();
        assert!(login.read().unwrap_err().to_string().contains("AWS_SECRET_ACCESS_KEY is empty"));
        std::fs::write(folder.path().join(SECRET_ACCESS_KEY), "hunter2").unwrap();
        let keys = login.read().unwrap();
        assert_eq!((keys.access_key_id.as_str(), keys.session_token.as_deref()), ("AKIA1", None));
        assert!(!format!("{keys:?}").contains("hunter2"));
        std::fs::write(folder.path().join(SESSION_TOKEN), "token").unwrap();
        assert_eq!(login.read().unwrap().session_token.as_deref(), Some("token"));
    }
}
