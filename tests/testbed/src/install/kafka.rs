//! Apache Kafka with its command line tools: the jars, 55 MB.

use super::maven::Artifacts;

/// What tests run on.
pub const VERSION: &str = "4.3.1";

/// Older ones that tests look at: the oldest that runs without ZooKeeper, which has no requests for several groups at
/// once, and the last before 4.0, which knows the requests of the new group protocol, but not the protocol.
pub const OLD: [&str; 2] = ["2.8.2", "3.9.1"];

/// Any version from 2.8 on.
pub fn kafka(version: &str) -> Artifacts {
    // It writes the log; without it there is none at all.
    let log = if at_least(version, (4, 0)) {
        "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"
    } else {
        "org.slf4j:slf4j-reload4j:1.7.36"
    };
    Artifacts {
        name: "kafka",
        version: version.to_owned(),
        coordinates: vec![
            format!("org.apache.kafka:kafka_2.13:{version}"),
            format!("org.apache.kafka:kafka-tools:{version}"),
            log.to_owned(),
        ],
        takes: "15 s",
    }
}

/// Whether `version` is this major and minor one, or newer.
pub fn at_least(version: &str, least: (u32, u32)) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= least
}
