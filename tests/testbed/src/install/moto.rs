//! moto, a server that speaks AWS's STS and IAM: a Python environment of its own, 140 MB.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::step::{self, Step};
use crate::base::cache::Cache;

const VERSION: &str = "5.2.5";

/// Every package at a fixed version.
const PACKAGES: &str = include_str!("moto.txt");

const TAKES: Duration = Duration::from_secs(20);

/// The Python that has it; `-m moto.server` runs it.
pub fn find(cache: &Cache) -> Result<PathBuf> {
    let python = python(&folder(cache));
    if !python.is_file() {
        bail!("moto is not installed yet: run `make testbed` (or `testbed install --only moto`)");
    }
    Ok(python)
}

/// Fetches it by pip if it is missing, or if the system's Python has changed under it.
pub fn install(cache: &Cache) -> Result<PathBuf> {
    let _lock = cache.lock("moto")?;
    let folder = folder(cache);
    if works(&folder) {
        return Ok(python(&folder));
    }
    if !step::exists("python3") {
        bail!("moto needs Python 3.10 or newer: install it, on Debian with: sudo apt-get install python3 python3-venv");
    }
    let takes = step::spoken(TAKES);
    eprintln!("testbed: moto {VERSION} by pip into {} (about {takes})", folder.display());
    std::fs::create_dir_all(cache.path("moto"))?;
    // Under its final name only when it is whole. It may be moved because only its Python is ever called, which finds
    // its packages beside itself; the scripts in `bin` know the old place.
    let work = tempfile::tempdir_in(cache.root())?;
    let made = work.path().join("environment");
    build(&made, work.path()).context("cannot install moto")?;
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::rename(made, &folder)?;
    Ok(python(&folder))
}

fn folder(cache: &Cache) -> PathBuf {
    cache.path(&format!("moto/{VERSION}"))
}

fn python(environment: &Path) -> PathBuf {
    environment.join("bin/python")
}

fn works(environment: &Path) -> bool {
    let mut import = Command::new(python(environment));
    import.args(["-c", "import moto.server"]).stdout(Stdio::null()).stderr(Stdio::null());
    import.status().is_ok_and(|status| status.success())
}

fn build(environment: &Path, work: &Path) -> Result<()> {
    let packages = work.join("moto.txt");
    std::fs::write(&packages, PACKAGES)?;
    Step::new("a Python environment for moto")
        .run(Command::new("python3").args(["-m", "venv"]).arg(environment))
        .context("python3 cannot make an environment; on Debian: sudo apt-get install python3-venv")?;
    let mut pip = Command::new(python(environment));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
    // No package is built from source or runs code of its own while it is installed.
    pip.args(["--only-binary=:all:", "--no-deps", "--requirement"]).arg(packages);
    Step::new("moto by pip").expected(TAKES).run(&pip)?;
    if !works(environment) {
        bail!("what pip has installed does not start: moto needs Python 3.10 or newer");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_has_an_exact_version_and_moto_its_own() {
        let packages: Vec<_> = PACKAGES.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(packages.contains(&format!("moto=={VERSION}").as_str()));
        assert!(packages.iter().all(|package| package.split("==").count() == 2), "{packages:?}");
    }

    #[test]
    fn what_is_not_installed_is_told_with_the_remedy() {
        let empty = tempfile::tempdir().unwrap();
        let words = find(&Cache::at(empty.path().to_owned())).unwrap_err().to_string();
        assert!(words.contains("make testbed"), "{words}");
    }
}
