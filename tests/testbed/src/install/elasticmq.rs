//! ElasticMQ, a server that speaks Amazon SQS: the jars, 37 MB.

use super::maven::Artifacts;

const VERSION: &str = "1.7.1";

pub fn elasticmq() -> Artifacts {
    Artifacts {
        name: "elasticmq",
        version: VERSION.to_owned(),
        coordinates: vec![format!("org.elasticmq:elasticmq-server_2.13:{VERSION}")],
        takes: "15 s",
    }
}
