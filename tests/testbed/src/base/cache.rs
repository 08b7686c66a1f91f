//! The user's cache folder: what is expensive to make, keyed by version, shared by every checkout and every run.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `${XDG_CACHE_HOME:-~/.cache}/awp-testbed`.
    pub fn of_user() -> Result<Self> {
        let base = match std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()) {
            Some(folder) => PathBuf::from(folder),
            None => std::env::home_dir().context("no home folder: set HOME or XDG_CACHE_HOME")?.join(".cache"),
        };
        Ok(Self::at(base.join("awp-testbed")))
    }

    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Waits until no other run works on `name`. The lock ends with the returned file, also when the process is killed.
    pub fn lock(&self, name: &str) -> Result<File> {
        let path = self.root.join(format!("{name}.lock"));
        std::fs::create_dir_all(&self.root).with_context(|| format!("cannot create {}", self.root.display()))?;
        let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        if file.try_lock().is_err() {
            eprintln!("testbed: another run is making {name}; waiting for it");
            file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Ok(file)
    }
}
