//! Logins. Read anew for every connection, because a mounted Secret changes under a running process.

use std::path::{Path, PathBuf};

#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Where a login comes from.
#[derive(Clone, Debug)]
pub enum Login {
    /// A folder with the files `username` and `password`, as a Secret is mounted.
    Folder(PathBuf),
    Given(Credentials),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    #[error(
        "no login: give a folder with the files `username` and `password` by --credentials-dir or AWP_CREDENTIALS_DIR, or set AWP_USERNAME and AWP_PASSWORD"
    )]
    Missing,
    #[error("{file} cannot be read ({cause}): the credentials folder must hold the files `username` and `password`")]
    Unreadable { file: PathBuf, cause: String },
    #[error("{file} is empty")]
    Empty { file: PathBuf },
}

impl Login {
    /// A folder wins over values: it is the one that rotates.
    pub fn from_parts(
        folder: Option<PathBuf>,
        username: Option<String>,
        password: Option<String>,
    ) -> Result<Self, LoginError> {
        match (folder, username, password) {
            (Some(folder), ..) => Ok(Self::Folder(folder)),
            (None, Some(username), Some(password)) => Ok(Self::Given(Credentials { username, password })),
            _ => Err(LoginError::Missing),
        }
    }

    pub fn read(&self) -> Result<Credentials, LoginError> {
        match self {
            Self::Given(credentials) => Ok(credentials.clone()),
            Self::Folder(folder) => {
                Ok(Credentials { username: read(&folder.join("username"))?, password: read(&folder.join("password"))? })
            }
        }
    }
}

fn read(file: &Path) -> Result<String, LoginError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| LoginError::Unreadable { file: file.to_owned(), cause: error.kind().to_string() })?;
    // Editors and `echo` end files with a newline; a password that ends in one does not exist.
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() { Err(LoginError::Empty { file: file.to_owned() }) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_anew_each_time_and_wins_over_values() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("username"), "worker\n").unwrap();
        std::fs::write(folder.path().join("password"), "p ss\r\n").unwrap();
        let login = Login::from_parts(Some(folder.path().into()), Some("x".into()), Some("y".into())).unwrap();
        assert_eq!(login.read().unwrap(), Credentials { username: "worker".into(), password: "p ss".into() });
        std::fs::write(folder.path().join("password"), "rotated").unwrap();
        assert_eq!(login.read().unwrap().password, "rotated");
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(Login::from_parts(None, Some("x".into()), None).unwrap_err(), LoginError::Missing);
        let folder = tempfile::tempdir().unwrap();
        let login = Login::Folder(folder.path().into());
        assert!(login.read().unwrap_err().to_string().contains("username cannot be read"));
        std::fs::write(folder.path().join("username"), "\n").unwrap();
        assert!(matches!(login.read(), Err(LoginError::Empty { .. })));
    }

    #[test]
    fn a_password_is_not_in_debug_output() {
        let credentials = Credentials { username: "u".into(), password: "hunter2".into() };
        assert!(!format!("{credentials:?} {:?}", Login::Given(credentials.clone())).contains("hunter2"));
    }
}
