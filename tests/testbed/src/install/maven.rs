//! Java programs as Maven gives them: the jars of an artifact and of all it needs, in one folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::step::{self, Step};
use crate::base::cache::Cache;

/// The plug-in at a fixed version: what Maven brings by default differs by machine.
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// Artifacts at fixed versions.
#[derive(Clone, Debug)]
pub struct Artifacts {
    /// For people, and the folder's name in the cache with `version`.
    pub name: &'static str,
    pub version: String,
    /// `group:artifact:version`
    pub coordinates: Vec<String>,
    /// How long it takes, for people.
    pub takes: &'static str,
}

impl Artifacts {
    /// The folder of the jars that are installed already.
    pub fn find(&self, cache: &Cache) -> Result<PathBuf> {
        let Self { name, version, .. } = self;
        let folder = self.folder(cache);
        if !folder.is_dir() {
            bail!("{name} {version} is not installed yet: run `make testbed` (or `testbed install --only {name}`)");
        }
        if !step::exists("java") {
            bail!(
                "{name} needs Java 17 or newer: install a JRE, on Debian with: sudo apt-get install default-jre-headless"
            );
        }
        Ok(folder)
    }

    /// Fetches them if they are missing.
    pub fn install(&self, cache: &Cache) -> Result<PathBuf> {
        let Self { name, version, takes, .. } = self;
        let _lock = cache.lock(name)?;
        let folder = self.folder(cache);
        if folder.is_dir() {
            return Ok(folder);
        }
        if !step::exists("mvn") {
            bail!("{name} comes by Maven, which is missing: install it, on Debian with: sudo apt-get install maven");
        }
        eprintln!("testbed: {name} {version} by Maven into {} (about {takes})", folder.display());
        std::fs::create_dir_all(cache.root())?;
        // Under its final name only when it is whole: another run may look at any time.
        let work = tempfile::tempdir_in(cache.root())?;
        self.copy_into(work.path()).with_context(|| format!("cannot install {name}"))?;
        std::fs::create_dir_all(cache.path(name))?;
        std::fs::rename(work.path().join("jars"), &folder)?;
        Ok(folder)
    }

    fn folder(&self, cache: &Cache) -> PathBuf {
        cache.path(&format!("{}/{}", self.name, self.version))
    }

    fn copy_into(&self, work: &Path) -> Result<()> {
        std::fs::write(work.join("pom.xml"), self.project()?)?;
        let mut maven = Command::new("mvn");
        maven.args(["--batch-mode", "--quiet", "-DincludeScope=runtime", COPY]);
        maven.arg(format!("-DoutputDirectory={}", work.join("jars").display())).current_dir(work);
        Step::new(format!("{} by Maven", self.name)).run(&maven).map(drop)
    }

    /// A project that only has dependencies.
    fn project(&self) -> Result<String> {
        let mut dependencies = Vec::new();
        for coordinates in &self.coordinates {
            let [group, artifact, version] = coordinates.split(':').collect::<Vec<_>>()[..] else {
                bail!("{coordinates} is not group:artifact:version");
            };
            dependencies.push(format!(
                "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
                 <version>{version}</version></dependency>"
            ));
        }
        let dependencies = dependencies.concat();
        Ok(format!(
            "<project><modelVersion>4.0.0</modelVersion>\
             <groupId>awp</groupId><artifactId>testbed</artifactId><version>1</version><packaging>pom</packaging>\
             <dependencies>{dependencies}</dependencies></project>"
        ))
    }
}
