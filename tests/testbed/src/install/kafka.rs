//! Apache Kafka 4.3.1 with its command line tools: jars by Maven, for the machine's own Java.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};

use super::maven::{self, Artifacts};
use crate::base::cache::Cache;

const VERSION: &str = "4.3.1";
/// The last one is what writes the log; without it there is none at all.
const JARS: [&str; 3] = [
    "org.apache.kafka:kafka_2.13:4.3.1",
    "org.apache.kafka:kafka-tools:4.3.1",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4",
];

/// The folder of the jars.
pub fn find(cache: &Cache) -> Result<PathBuf> {
    let folder = folder(cache);
    if !folder.is_dir() {
        bail!("Apache Kafka is not installed yet: run `make testbed` (or `testbed install --only kafka`)");
    }
    Ok(folder)
}

/// Installs it if it is missing.
pub fn install(cache: &Cache) -> Result<PathBuf> {
    let _lock = cache.lock("kafka")?;
    let folder = folder(cache);
    if !folder.is_dir() {
        eprintln!("testbed: Apache Kafka {VERSION} into {} (55 MB, about 15 s)", folder.display());
        let artifacts = Artifacts { wanted: &JARS, unwanted: &[] };
        maven::copy_jars("Apache Kafka", artifacts, Duration::from_secs(15), &folder)?;
    }
    Ok(folder)
}

fn folder(cache: &Cache) -> PathBuf {
    cache.path(&format!("kafka/{VERSION}"))
}
