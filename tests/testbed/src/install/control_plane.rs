//! The Kubernetes control plane and its tools, built from the Go modules pinned in `controlplane/go.mod`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use sha2::{Digest, Sha256};

use super::go;
use super::step::Step;
use crate::base::cache::Cache;

const GO_MOD: &str = include_str!("../../controlplane/go.mod");
const GO_SUM: &str = include_str!("../../controlplane/go.sum");
/// The version of `k8s.io/kubernetes` in `go.mod`. It is stamped in, or `/version` says v0.0.0-master and clients
/// misbehave.
const VERSION: [&str; 3] = ["1", "37", "2"];
const TAGS: &str = "grpcnotrace";
/// What a build from an empty build cache compiles, and the CPU seconds of that; linking is never cached.
const COLD_PACKAGES: f64 = 2_990.0;
const COLD_CPU_SECONDS: f64 = 720.0;
const LINKING_CPU_SECONDS: f64 = 85.0;

/// The programs by name, and the Go packages that make them.
const PACKAGES: [(&str, &str); 7] = [
    ("etcd", "go.etcd.io/etcd/server/v3"),
    ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
    ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    ("kwok", "sigs.k8s.io/kwok/cmd/kwok"),
    ("helm", "helm.sh/helm/v3/cmd/helm"),
];

/// Where each program is.
#[derive(Clone, Debug)]
pub struct Programs {
    built: PathBuf,
    /// `KUBEBUILDER_ASSETS`: etcd, kube-apiserver and perhaps kubectl that the user has already.
    assets: Option<PathBuf>,
}

impl Programs {
    pub fn path(&self, name: &str) -> PathBuf {
        let own = self.assets.as_ref().map(|folder| folder.join(name)).filter(|program| program.is_file());
        own.unwrap_or_else(|| self.built.join(name))
    }

    /// Where those are that were built here.
    pub fn folder(&self) -> PathBuf {
        self.built.clone()
    }

    fn missing(&self) -> Vec<&'static str> {
        PACKAGES.iter().map(|(name, _)| *name).filter(|name| !self.path(name).is_file()).collect()
    }
}

/// The programs, all of them present.
pub fn find(cache: &Cache) -> Result<Programs> {
    let programs = expected(cache);
    let missing = programs.missing();
    if !missing.is_empty() {
        bail!(
            "{} not built yet: run `make testbed` (or `testbed install --only controlplane`); looked in {}",
            missing.join(", "),
            programs.built.display()
        );
    }
    Ok(programs)
}

/// One of the programs, where it was built already.
pub fn built(cache: &Cache, name: &str) -> Option<PathBuf> {
    Some(expected(cache).path(name)).filter(|program| program.is_file())
}

/// Builds what is missing.
pub fn install(cache: &Cache) -> Result<Programs> {
    let _lock = cache.lock("controlplane")?;
    let programs = expected(cache);
    let missing = programs.missing();
    if !missing.is_empty() {
        build(cache, &programs.built, &missing)?;
    }
    find(cache)
}

fn expected(cache: &Cache) -> Programs {
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let usable = |folder: &PathBuf| ["etcd", "kube-apiserver"].iter().all(|name| folder.join(name).is_file());
    Programs { built: cache.path(&format!("controlplane/{}/bin", key())), assets: assets.filter(usable) }
}

/// What decides the bytes of the programs.
fn key() -> String {
    let parts = [GO_MOD, GO_SUM, TAGS, &linker_flags(), std::env::consts::OS, std::env::consts::ARCH];
    let hash = Sha256::digest(parts.join("\0"));
    let start = hash.iter().take(8).fold(0_u64, |start, byte| start << 8 | u64::from(*byte));
    format!("{start:016x}")
}

fn linker_flags() -> String {
    let [major, minor, patch] = VERSION;
    let stamps = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"].map(|package| {
        format!(
            "-X {package}.gitVersion=v{major}.{minor}.{patch} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
        )
    });
    format!("-s -w {}", stamps.join(" "))
}

fn build(cache: &Cache, bin: &Path, missing: &[&str]) -> Result<()> {
    // One place for all runs (we hold the lock), so that the rest of a run that was killed goes with the next.
    let work = cache.path("controlplane/building");
    if work.exists() {
        std::fs::remove_dir_all(&work)?;
    }
    std::fs::create_dir_all(&work)?;
    std::fs::write(work.join("go.mod"), GO_MOD)?;
    std::fs::write(work.join("go.sum"), GO_SUM)?;
    let go = go::obtain(&work.join("go"))?;
    let mut packages = vec!["-trimpath".to_owned(), "-tags".to_owned(), TAGS.to_owned()];
    packages.extend(["-ldflags".to_owned(), linker_flags()]);
    packages
        .extend(PACKAGES.iter().filter(|(name, _)| missing.contains(name)).map(|(_, package)| (*package).to_owned()));
    eprintln!("testbed: building {} with Go into {}", missing.join(", "), bin.display());
    let stale = count_stale(&mut go_command(&go, cache, &work, &["list", "-deps", "-f", "{{.Stale}}"], &packages))?;

    let made = work.join("bin");
    // With one package `-o` would otherwise name the file.
    std::fs::create_dir_all(&made)?;
    let target = made.display().to_string();
    let command = go_command(&go, cache, &work, &["build", "-v", "-o", &target], &packages);
    Step::new("building the control plane").expected(expected_time(stale)).lines(stale).run(&command)?;
    move_into(&made, bin)?;
    Ok(std::fs::remove_dir_all(&work)?)
}

/// How many packages are to be compiled. Downloads their modules.
fn count_stale(list: &mut Command) -> Result<usize> {
    let answer = Step::new("Go modules of the control plane (230 MB)").expected(Duration::from_secs(45)).run(list)?;
    Ok(answer.lines().filter(|line| *line == "true").count())
}

fn go_command(go: &Path, cache: &Cache, folder: &Path, verb: &[&str], packages: &[String]) -> Command {
    let mut command = Command::new(go);
    command.args(verb).args(packages);
    command.current_dir(folder).env("GOCACHE", cache.path("go-build")).env("CGO_ENABLED", "0").env("GOFLAGS", "");
    command
}

/// Each program appears whole, by a rename on the same file system.
fn move_into(made: &Path, bin: &Path) -> Result<()> {
    std::fs::create_dir_all(bin)?;
    for entry in std::fs::read_dir(made)? {
        let program = entry?;
        // Go names a program after the last part of its package's path.
        let name = if program.file_name() == "server" { "etcd".into() } else { program.file_name() };
        std::fs::rename(program.path(), bin.join(name))?;
    }
    Ok(())
}

/// From what a cold build took, by the share of its packages that are still to be compiled.
fn expected_time(stale: usize) -> Duration {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let compiling = COLD_CPU_SECONDS * stale as f64 / COLD_PACKAGES;
    Duration::from_secs_f64((compiling + LINKING_CPU_SECONDS) / cores as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamped_version_is_the_one_that_is_built() {
        let version = VERSION.join(".");
        assert!(GO_MOD.contains(&format!("k8s.io/kubernetes v{version}")), "go.mod builds another Kubernetes");
    }
}
