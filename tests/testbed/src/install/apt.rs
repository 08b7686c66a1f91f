//! Debian packages of a chosen suite without installing any: a private apt root with lists of its own and an empty
//! status, on the machine's own mirror. Signatures are checked as always.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::step::{self, Step};

const KEYRINGS: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];

#[derive(Debug)]
pub struct PrivateApt {
    root: PathBuf,
}

impl PrivateApt {
    /// Makes the root in `root` and fetches the lists of `suite`.
    pub fn new(root: &Path, suite: &str) -> Result<Self> {
        if !step::exists("apt-get") || !step::exists("dpkg-deb") {
            bail!("this machine has no apt-get, which fetches {suite}'s packages");
        }
        let mirrors = mirrors(&machine_sources());
        if mirrors.is_empty() {
            bail!(
                "no Debian mirror among this machine's apt sources; AWP_TESTBED_DEBIAN_MIRROR=URL names one \
                 (the package debian-archive-keyring carries the keys)"
            );
        }
        let apt = Self { root: root.to_owned() };
        let mut failures = Vec::new();
        for mirror in &mirrors {
            apt.write_configuration(mirror, suite)?;
            match apt.update(suite) {
                Ok(()) => return Ok(apt),
                Err(error) => failures.push(format!("{}: {error:#}", mirror.uri)),
            }
        }
        bail!("no mirror of this machine serves {suite}:\n{}", failures.join("\n"))
    }

    /// The packages that `package` needs on an empty system, itself included.
    pub fn closure_of(&self, package: &str) -> Result<Vec<String>> {
        let mut command = self.command("apt-get");
        command.args(["install", "--simulate", "--no-install-recommends", package]);
        let plan = Step::new("apt-get").run(&command)?;
        let names = plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
        Ok(names.map(str::to_owned).collect())
    }

    /// Downloads `packages` and unpacks them under `prefix`. Answers the file names, which carry the versions.
    pub fn unpack(&self, what: &str, packages: &[String], prefix: &Path) -> Result<Vec<String>> {
        let folder = self.root.join("packages");
        std::fs::create_dir_all(&folder)?;
        let mut download = self.command("apt-get");
        // Without a name to switch to: apt's own user cannot write into our folder, and says so in a warning.
        download.args(["download", "-o", "APT::Sandbox::User=root"]).args(packages).current_dir(&folder);
        Step::new(format!("{what}: downloading {} packages", packages.len())).run(&download)?;
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            let file = entry?.path();
            let mut unpack = Command::new("dpkg-deb");
            unpack.arg("--extract").arg(&file).arg(prefix);
            Step::new(format!("{what}: unpacking")).run(&unpack)?;
            names.extend(file.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
        names.sort();
        Ok(names)
    }

    fn update(&self, suite: &str) -> Result<()> {
        let mut update = self.command("apt-get");
        // Without this a mirror that cannot be reached is a warning.
        update.args(["update", "-o", "APT::Update::Error-Mode=any", "-o", "APT::Sandbox::User=root"]);
        Step::new(format!("package lists of {suite}")).run(&update).map(drop)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", self.root.join("apt.conf")).env("LC_ALL", "C");
        command
    }

    fn write_configuration(&self, mirror: &Mirror, suite: &str) -> Result<()> {
        for folder in ["etc", "state/lists/partial", "cache/archives/partial"] {
            std::fs::create_dir_all(self.root.join(folder))?;
        }
        std::fs::write(self.root.join("state/status"), "")?;
        let source = format!("deb [signed-by={}] {} {suite} main\n", mirror.keyring, mirror.uri);
        std::fs::write(self.root.join("etc/sources.list"), source)?;
        let root = self.root.display();
        let configuration = format!(
            "Dir::Etc \"{root}/etc\";\nDir::State \"{root}/state\";\nDir::State::status \"{root}/state/status\";\n\
             Dir::Cache \"{root}/cache\";\nDir::Etc::netrc \"/etc/apt/auth.conf\";\n\
             Dir::Etc::netrcparts \"/etc/apt/auth.conf.d\";\n\
             Acquire::Languages \"none\";\n\
             // A mirror that lags is good enough for a fixed release; its signature is still checked.\n\
             Acquire::Check-Valid-Until \"false\";\n{}",
            proxies()
        );
        std::fs::write(self.root.join("apt.conf"), configuration)?;
        Ok(())
    }
}

/// The machine's own proxy settings: its other hooks are for packages that are really installed.
fn proxies() -> String {
    let dump = Step::new("apt-config").run(Command::new("apt-config").arg("dump")).unwrap_or_default();
    dump.lines().filter(|line| line.starts_with("Acquire::http")).flat_map(|line| [line, "\n"]).collect()
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mirror {
    uri: String,
    keyring: String,
}

/// Everything the machine's apt is told about sources, and the mirror named by the user.
fn machine_sources() -> String {
    let mut text = String::new();
    if let Ok(mirror) = std::env::var("AWP_TESTBED_DEBIAN_MIRROR") {
        text = format!("deb {mirror} stable main\n\n");
    }
    let parts = std::fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path());
    let known = |file: &PathBuf| file.extension().is_some_and(|it| it == "list" || it == "sources");
    for file in parts.filter(known).chain([PathBuf::from("/etc/apt/sources.list")]) {
        // Stanzas end at an empty line.
        text.push_str(&std::fs::read_to_string(file).unwrap_or_default());
        text.push_str("\n\n");
    }
    text
}

/// Debian's mirrors among `sources` (both formats of apt): repositories with a component `main` whose address ends in
/// `/debian`, as all of them do and those of other projects rarely.
fn mirrors(sources: &str) -> Vec<Mirror> {
    let mut found = Vec::new();
    for stanza in sources.split("\n\n") {
        let field = |name: &str| {
            let value = stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        if field("Types").iter().any(|kind| kind == "deb") && field("Components").iter().any(|name| name == "main") {
            let keyring = field("Signed-By").into_iter().next();
            found.extend(field("URIs").into_iter().map(|uri| (uri, keyring.clone())));
        }
        found.extend(stanza.lines().filter_map(one_line));
    }
    let mut mirrors: Vec<Mirror> = Vec::new();
    for (uri, keyring) in found {
        let keyring = keyring.filter(|file| file.starts_with('/')).unwrap_or_else(default_keyring);
        let mirror = Mirror { uri, keyring };
        if mirror.uri.trim_end_matches('/').ends_with("/debian") && !mirrors.contains(&mirror) {
            mirrors.push(mirror);
        }
    }
    mirrors
}

/// `deb [signed-by=/a/key.gpg arch=amd64] http://mirror/debian suite main contrib`
fn one_line(line: &str) -> Option<(String, Option<String>)> {
    let rest = line.trim().strip_prefix("deb ")?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let (uri, _suite) = (words.next()?, words.next()?);
    let keyring = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
    words.any(|component| component == "main").then(|| (uri.to_owned(), keyring.map(str::to_owned)))
}

fn default_keyring() -> String {
    let present = KEYRINGS.iter().find(|file| Path::new(file).is_file());
    (*present.unwrap_or(&KEYRINGS[0])).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_found_in_both_formats_and_other_projects_are_left_out() {
        let sources = "\
# a comment
Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /keys/debian.gpg

Types: deb
URIs: https://other.example/node_20.x
Suites: nodistro
Components: main

deb https://other.example/apt cloud-bookworm main
deb [arch=amd64 signed-by=/keys/b.gpg] http://second.example/debian/ bookworm main contrib
deb-src http://source.example/debian bookworm main
deb https://containers.example/linux/debian bookworm stable
";
        let mirrors = mirrors(sources);
        let found: Vec<_> = mirrors.iter().map(|it| (it.uri.as_str(), it.keyring.as_str())).collect();
        assert_eq!(
            found,
            [("http://mirror.example/debian", "/keys/debian.gpg"), ("http://second.example/debian/", "/keys/b.gpg")]
        );
    }
}
