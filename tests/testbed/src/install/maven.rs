//! Servers that are Java programs: their jars, by Maven.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::step::{Step, exists};

/// What to have, and what must not come with it.
#[derive(Clone, Copy, Debug)]
pub struct Artifacts<'a> {
    /// `group:artifact:version`
    pub wanted: &'a [&'a str],
    /// `group:artifact`
    pub unwanted: &'a [&'a str],
}

/// Puts the jars of `artifacts`, and those that they need at run time, into `folder`. The folder appears whole or not
/// at all; the caller holds the lock of its cache.
pub fn copy_jars(what: &str, artifacts: Artifacts<'_>, expected: Duration, folder: &Path) -> Result<()> {
    for (program, package) in [("java", "default-jre-headless"), ("mvn", "maven")] {
        if !exists(program) {
            bail!("{what} needs Java 17 and Maven, and there is no `{program}`: on Debian `apt-get install {package}`");
        }
    }
    let parent = folder.parent().context("the cache has no parent folder")?;
    std::fs::create_dir_all(parent)?;
    let work = tempfile::Builder::new().prefix(".making-").tempdir_in(parent)?;
    let jars = work.path().join("jars");
    let pom = work.path().join("pom.xml");
    std::fs::write(&pom, project(artifacts)?)?;
    let mut maven = Command::new("mvn");
    maven.args(["--batch-mode", "--no-transfer-progress", "--file"]).arg(&pom);
    maven.arg("org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies");
    maven.arg("-DincludeScope=runtime").arg(format!("-DoutputDirectory={}", jars.display()));
    Step::new(format!("{what} by Maven")).expected(expected).run(&maven)?;
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::rename(&jars, folder).with_context(|| format!("cannot create {}", folder.display()))
}

/// A project that does nothing but depend.
fn project(artifacts: Artifacts<'_>) -> Result<String> {
    let exclusions = artifacts.unwanted.iter().map(|it| Ok(format!("<exclusion>{}</exclusion>", coordinates(it)?)));
    let exclusions = exclusions.collect::<Result<String>>()?;
    let dependency = |it: &&str| {
        Ok(format!("    <dependency>{}<exclusions>{exclusions}</exclusions></dependency>\n", coordinates(it)?))
    };
    let dependencies = artifacts.wanted.iter().map(dependency).collect::<Result<String>>()?;
    Ok(format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n  <modelVersion>4.0.0</modelVersion>\n  \
         <groupId>testbed</groupId><artifactId>jars</artifactId><version>1</version><packaging>pom</packaging>\n  \
         <dependencies>\n{dependencies}  </dependencies>\n</project>\n"
    ))
}

fn coordinates(text: &str) -> Result<String> {
    let parts: Vec<&str> = text.split(':').collect();
    let named = ["groupId", "artifactId", "version"].iter().zip(&parts);
    if !(2..=3).contains(&parts.len()) {
        bail!("{text}: not group:artifact[:version]");
    }
    Ok(named.map(|(name, value)| format!("<{name}>{value}</{name}>")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_names_what_it_needs() {
        let project = project(Artifacts { wanted: &["a:b:1"], unwanted: &["c:d"] }).unwrap();
        assert!(project.contains("<groupId>a</groupId><artifactId>b</artifactId><version>1</version><exclusions>"));
        assert!(project.contains("<exclusion><groupId>c</groupId><artifactId>d</artifactId></exclusion>"));
    }
}
