//! A folder for the data of running servers that disappears when its owner ends, however it ends.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::guard::Guard;
use super::wait;

const PREFIX: &str = "awp-testbed-";
const OWNER: &str = "owner";

/// Waits for the end of the owner (its end of the pipe closes), then for the servers (they remove their pid files), then
/// removes the folder. After 30 s it does not wait for servers any more: somebody killed what watches over them.
const JANITOR: &str = r#"
read -r _
n=0
while [ -n "$(ls "$1/pids" 2>/dev/null)" ] && [ $n -lt 300 ]; do sleep 0.1; n=$((n+1)); done
rm -rf "$1"
"#;

#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// What removes the folder, and a file locked while this process lives: how a later run knows that a folder was
    /// left behind. Neither where the folder is to stay.
    owner: Option<(Guard, File)>,
}

impl Scratch {
    /// Under the system's folder for temporary files. With `AWP_TESTBED_KEEP` set the folder stays, for its logs.
    pub fn new(label: &str) -> Result<Self> {
        let parent = std::env::temp_dir();
        remove_left_behind(&parent, GRACE);
        let folder = tempfile::Builder::new().prefix(&format!("{PREFIX}{label}-")).tempdir_in(&parent);
        let path = folder.with_context(|| format!("cannot create a folder in {}", parent.display()))?.keep();
        std::fs::create_dir(path.join("pids"))?;
        if std::env::var_os("AWP_TESTBED_KEEP").is_some() {
            return Ok(Self { path, owner: None });
        }
        let owner = lock_as_owner(&path)?;
        let janitor = Guard::start(JANITOR, "awp-testbed-janitor", |shell| shell.arg(&path).current_dir("/"))?;
        Ok(Self { path, owner: Some((janitor, owner)) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder inside, created.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(path)
    }

    /// Waits until the servers in it, which their owner has dropped, and the folder are gone.
    pub async fn finish(mut self) -> Result<()> {
        if self.owner.take().is_none() {
            return Ok(());
        }
        let what = format!("{} is cleaned up", self.path.display());
        wait::until(&what, Duration::from_secs(60), async || Ok((!self.path.exists()).then_some(()))).await
    }

    /// The file that holds the pid of the server `name` while it runs.
    pub fn pid_file(&self, name: &str) -> PathBuf {
        self.path.join("pids").join(name)
    }
}

/// The lock file appears under its final name only when it is locked, or a run beside this one would take the folder
/// for one left behind.
fn lock_as_owner(path: &Path) -> Result<File> {
    let early = path.join("owner.new");
    let owner = File::create(&early)?;
    owner.lock()?;
    std::fs::rename(&early, path.join(OWNER))?;
    Ok(owner)
}

/// The janitor has first right.
const GRACE: Duration = Duration::from_secs(60);

/// Removes folders whose owner is gone: the machine went down, or the janitor was killed with its owner.
fn remove_left_behind(parent: &Path, grace: Duration) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(PREFIX)
            && File::open(path.join(OWNER)).is_ok_and(|owner| owner.try_lock().is_ok())
            && entry.metadata().is_ok_and(|it| it.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age > grace)))
        {
            // Another run may be removing it as well.
            let _ = std::fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_when_its_owner_is_gone_and_not_before() {
        let parent = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = parent.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        };
        let (owned, left, foreign) = (folder("awp-testbed-a"), folder("awp-testbed-b"), folder("other"));
        let _owner = lock_as_owner(&owned).unwrap();
        drop(lock_as_owner(&left).unwrap());
        drop(lock_as_owner(&foreign).unwrap());
        remove_left_behind(parent.path(), Duration::from_secs(60));
        assert!(left.exists(), "its janitor may be at work");
        remove_left_behind(parent.path(), Duration::ZERO);
        assert!(owned.exists() && !left.exists() && foreign.exists());
    }

    #[tokio::test]
    async fn a_dropped_server_ends_before_its_folder_goes() {
        let scratch = Scratch::new("test").unwrap();
        let path = scratch.path().to_owned();
        let slow = "trap 'sleep 0.5; echo ended > ended; exit' TERM; while :; do sleep 0.1; done";
        let spec = super::super::server::Spec::new("slow", "sh").args(["-c", slow]);
        let server = super::super::server::Server::start(&spec, &scratch).unwrap();
        wait::until("it runs", Duration::from_secs(5), async || Ok(server.pid().ok())).await.unwrap();
        drop(server);
        scratch.finish().await.unwrap();
        assert!(!path.exists());
    }
}
