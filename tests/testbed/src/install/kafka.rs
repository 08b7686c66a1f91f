//! Apache Kafka with its command line tools: the jars, 55 MB.

use super::maven::Artifacts;

pub const KAFKA: Artifacts = Artifacts {
    name: "kafka",
    version: "4.3.1",
    coordinates: &[
        "org.apache.kafka:kafka_2.13:4.3.1",
        "org.apache.kafka:kafka-tools:4.3.1",
        // It writes the log; without it there is none at all.
        "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4",
    ],
    takes: "15 s",
};
