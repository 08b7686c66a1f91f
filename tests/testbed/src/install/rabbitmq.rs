//! RabbitMQ 4.0.5 on Erlang 27 from Debian's packages, in a private prefix: nothing is installed on the system.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::step::Step;
use super::{apt, patchelf};
use crate::base::cache::Cache;

const SUITE: &str = "trixie";
/// Raised when the steps below make something else of the same packages.
const RECIPE: u32 = 1;
/// Of what the server needs on an empty system: what Erlang's programs link with. The rest (a shell, accounts,
/// packaging) is every machine's.
const LIBRARIES: [&str; 9] =
    ["libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libzstd1", "libssl3", "libtinfo6", "libsystemd0", "libcap2"];
/// Written last: the prefix holds absolute paths, so it is built in place and cannot appear by a rename.
const COMPLETE: &str = ".complete";

/// Where the programs of an installed RabbitMQ are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The folder with `rabbitmq-server` and `rabbitmqctl` as the project made them: a distribution's wrappers change
    /// the user.
    pub sbin: PathBuf,
    /// What comes first in PATH, so that `erl` and `epmd` are found; none where the machine's own are to be used.
    pub erlang: Option<PathBuf>,
}

/// What is installed already, or the machine's own RabbitMQ 4.
pub fn find(cache: &Cache) -> Result<Programs> {
    let prefix = prefix(cache);
    if prefix.join(COMPLETE).is_file() {
        return programs_in(&prefix);
    }
    of_machine().context("RabbitMQ is not installed yet: run `make testbed` (or `testbed install --only rabbitmq`)")
}

/// Installs it if it is missing.
pub fn install(cache: &Cache) -> Result<Programs> {
    let _lock = cache.lock("rabbitmq")?;
    if let Ok(programs) = find(cache) {
        return Ok(programs);
    }
    let prefix = prefix(cache);
    eprintln!("testbed: RabbitMQ from Debian {SUITE} into {} (about 20 s)", prefix.display());
    build(&prefix).with_context(|| {
        format!(
            "cannot install RabbitMQ into {}. With a rabbitmq-server 4 of its own in PATH this machine needs no \
             packages from Debian",
            prefix.display()
        )
    })?;
    programs_in(&prefix)
}

fn prefix(cache: &Cache) -> PathBuf {
    cache.path(&format!("rabbitmq/debian-{SUITE}-{}-{RECIPE}", std::env::consts::ARCH))
}

fn build(prefix: &Path) -> Result<()> {
    if prefix.exists() {
        // A run that did not come to its end.
        std::fs::remove_dir_all(prefix)?;
    }
    std::fs::create_dir_all(prefix)?;
    let work = tempfile::tempdir()?;
    let apt = apt::PrivateApt::new(&work.path().join("apt"), SUITE)?;
    let wanted = |name: &String| {
        name == "rabbitmq-server" || name.starts_with("erlang-") || LIBRARIES.iter().any(|it| name.starts_with(it))
    };
    let packages: Vec<String> = apt.closure_of("rabbitmq-server")?.into_iter().filter(wanted).collect();
    let versions = apt.unpack("RabbitMQ", &packages, prefix)?;
    point_erlang_to(prefix)?;
    if start_erlang(prefix).is_err() {
        let libraries = libraries_in(prefix)?;
        patchelf::patch(&prefix.join("usr/lib/erlang"), &libraries, &work.path().join("patchelf"))?;
        start_erlang(prefix)?;
    }
    std::fs::write(prefix.join(COMPLETE), versions.join("\n") + "\n")?;
    Ok(())
}

/// The launch scripts name the folder in which the packages expect Erlang.
fn point_erlang_to(prefix: &Path) -> Result<()> {
    let erlang = prefix.join("usr/lib/erlang");
    let mut scripts = vec![erlang.join("bin/erl"), erlang.join("bin/start")];
    for entry in std::fs::read_dir(&erlang)? {
        let folder = entry?.path();
        if folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("erts-")) {
            scripts.extend([folder.join("bin/erl"), folder.join("bin/start")]);
        }
    }
    for script in scripts {
        let text = std::fs::read_to_string(&script).with_context(|| format!("no {}", script.display()))?;
        std::fs::write(&script, text.replace("ROOTDIR=/usr/lib/erlang", &format!("ROOTDIR=\"{}\"", erlang.display())))?;
    }
    Ok(())
}

/// Proves that the virtual machine and its crypto library load.
fn start_erlang(prefix: &Path) -> Result<()> {
    let mut erl = Command::new(prefix.join("usr/lib/erlang/bin/erl"));
    erl.env("ERL_CRASH_DUMP_BYTES", "0").args([
        "-noinput",
        "-boot",
        "no_dot_erlang",
        "-eval",
        "ok = crypto:start(), halt().",
    ]);
    Step::new("starting Erlang").run(&erl).map(drop)
}

/// The folder of the unpacked C libraries, `usr/lib/<architecture>`.
fn libraries_in(prefix: &Path) -> Result<PathBuf> {
    let mut folders = std::fs::read_dir(prefix.join("usr/lib"))?.flatten().map(|entry| entry.path());
    folders.find(|folder| folder.join("libc.so.6").exists()).context("the package libc6 has no libc.so.6 in usr/lib")
}

fn programs_in(prefix: &Path) -> Result<Programs> {
    let servers = prefix.join("usr/lib/rabbitmq/lib");
    Ok(Programs { sbin: sbin_under(&servers)?, erlang: Some(prefix.join("usr/lib/erlang/bin")) })
}

/// `rabbitmq_server-4.x.y/sbin` in `servers`.
fn sbin_under(servers: &Path) -> Result<PathBuf> {
    let entries = std::fs::read_dir(servers).with_context(|| format!("no folder {}", servers.display()))?;
    let mut folders = entries.flatten().map(|entry| entry.path());
    let recent = |folder: &PathBuf| {
        folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("rabbitmq_server-4."))
    };
    let sbin = folders.find(recent).map(|folder| folder.join("sbin"));
    sbin.with_context(|| format!("no RabbitMQ 4 in {}", servers.display()))
}

/// A RabbitMQ 4 that a package manager put on this machine.
fn of_machine() -> Result<Programs> {
    if let Ok(sbin) = sbin_under(Path::new("/usr/lib/rabbitmq/lib")) {
        return Ok(Programs { sbin, erlang: None });
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).filter_map(|folder| folder.join("rabbitmq-server").canonicalize().ok());
    for server in folders {
        let Some(sbin) = server.parent() else { continue };
        // A tree as the project publishes it: the version is in the name of the plugins' folders.
        let plugins = std::fs::read_dir(sbin.join("../plugins")).into_iter().flatten().flatten();
        let mut names = plugins.map(|entry| entry.file_name().to_string_lossy().into_owned());
        if names.any(|name| name.starts_with("rabbit-4.")) {
            return Ok(Programs { sbin: sbin.to_owned(), erlang: None });
        }
    }
    bail!("no RabbitMQ 4 of this machine's own")
}
