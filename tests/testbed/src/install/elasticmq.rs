//! ElasticMQ, a server that speaks Amazon SQS: the jars, 37 MB.

use super::maven::Artifacts;

pub const ELASTICMQ: Artifacts = Artifacts {
    name: "elasticmq",
    version: "1.7.1",
    coordinates: &["org.elasticmq:elasticmq-server_2.13:1.7.1"],
    takes: "15 s",
};
