//! `testbed install`

use std::time::Instant;

use anyhow::Result;
use awp_testbed::base::cache::Cache;
use awp_testbed::install::{self, kafka};
use clap::ValueEnum;

/// Make the servers' programs that are missing, into the user's cache folder
///
/// The control plane is built from Go modules (minutes the first time), RabbitMQ unpacked from Debian's packages (20 s),
/// Apache Kafka (three versions) and ElasticMQ (for Amazon SQS) fetched by Maven (15 s each), moto (for AWS's STS) by pip (20 s).
/// Nothing is installed on the system. What is there already is left alone, so this ends at once the second time.
///
/// Example: testbed install --only rabbitmq
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Only this part; may be given several times
    #[arg(long)]
    only: Vec<Part>,
    /// Also this version of Apache Kafka; tests run on it with AWP_TESTBED_KAFKA=VERSION
    #[arg(long, value_name = "VERSION")]
    kafka: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Controlplane,
    Kafka,
    Rabbitmq,
    Elasticmq,
    Moto,
}

pub fn run(args: &Args) -> Result<()> {
    let cache = Cache::of_user()?;
    let started = Instant::now();
    let wanted = |part| args.only.is_empty() || args.only.contains(&part);
    // The short ones first: who cannot have them learns so before the minutes of the last.
    if wanted(Part::Rabbitmq) {
        install::rabbitmq::install(&cache)?;
    }
    if wanted(Part::Elasticmq) {
        install::elasticmq::elasticmq().install(&cache)?;
    }
    if wanted(Part::Moto) {
        install::moto::install(&cache)?;
    }
    if wanted(Part::Kafka) {
        for version in [kafka::VERSION].into_iter().chain(kafka::OLD).chain(args.kafka.iter().map(String::as_str)) {
            kafka::kafka(version).install(&cache)?;
        }
    }
    if wanted(Part::Controlplane) {
        install::control_plane::install(&cache)?;
    }
    eprintln!("testbed: everything is in {} ({})", cache.root().display(), install::step::spoken(started.elapsed()));
    Ok(())
}
