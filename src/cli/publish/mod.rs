//! `awp publish`: see [`crate::publishing`].
#![expect(clippy::doc_markdown, reason = "doc comments on arguments are the help text, which shows backticks")]

mod kafka;
mod rabbitmq;
mod sqs;

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::ValueEnum;

use crate::publishing::tasks::{Task, from_lines, simulated};
use crate::publishing::{Sent, Target};

/// Put tasks on a queue so that each is certainly there.
///
/// Messages are persistent and mandatory, and count as published only when the broker has confirmed
/// them. The ids of the confirmed ones are printed, one a line. The exit status is 0 only if all were
/// confirmed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES, group = clap::ArgGroup::new("tasks").args(["bodies", "file", "durations"]))]
pub struct Args {
    /// One task each: JSON where it is JSON, else text.
    #[arg(value_name = "BODY")]
    bodies: Vec<String>,
    /// Tasks as lines of JSON; `-` reads standard input.
    ///
    /// A line that is an object with the member `body`, and nothing beside it but `id`, `type` and
    /// `priority`, is a task: {"id": "t1", "type": "review", "priority": 3, "body": {"pr": 7}}.
    /// Any other JSON value is the body itself. Empty lines are left out.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Tasks for `awp worker --simulate`, each with one of these durations in seconds by chance.
    #[arg(long, value_name = "SECONDS", value_delimiter = ',', value_parser = seconds)]
    durations: Vec<f64>,
    /// Publish every task so many times (with --durations: so many tasks in all).
    #[arg(long, default_value_t = 1)]
    count: usize,
    /// Repeat the same mix of --durations; absent = another one each time.
    #[arg(long, requires = "durations")]
    seed: Option<u64>,

    /// Which kind of broker.
    #[arg(long, env = "AWP_BROKER", value_enum, default_value_t = BrokerChoice::Rabbitmq)]
    broker: BrokerChoice,
    /// First make what is missing: the queue, and one with `_failed` after its name for its dead
    /// letters (RabbitMQ: durable quorum queues; SQS: with a redrive policy; Kafka: topics). What
    /// exists is left as it is. Without tasks nothing else is done.
    #[arg(long)]
    declare: bool,
    /// What is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Ids)]
    output: Format,

    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    rabbitmq: rabbitmq::RabbitMqArgs,
    #[command(flatten)]
    sqs: sqs::SqsArgs,
    #[command(flatten)]
    kafka: kafka::KafkaArgs,
}

/// What every broker's side is told.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// A folder with the login: the files `username` and `password`.
    /// Without it AWP_USERNAME and AWP_PASSWORD are used. SQS: the files AWS_ACCESS_KEY_ID and
    /// AWS_SECRET_ACCESS_KEY; without it the process's own AWS identity is used.
    #[arg(long, env = "AWP_CREDENTIALS_DIR")]
    credentials_dir: Option<PathBuf>,
    /// A folder with ca.crt, tls.crt and tls.key, each optional, for encrypted connections.
    #[arg(long, env = "AWP_TLS_DIR")]
    tls_dir: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  awp publish --uri amqp://localhost --queue research --credentials-dir ./login '{\"topic\": \"ants\"}'
  awp publish --uri amqp://localhost --queue research --credentials-dir ./login --file tasks.jsonl
  AWP_USERNAME=guest AWP_PASSWORD=guest awp publish --uri amqp://localhost --queue try \\
      --declare --durations 2,5,30 --count 100
  awp publish --broker kafka --bootstrap-servers kafka:9092 --topic research --declare --partitions 12 \\
      --file tasks.jsonl";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum BrokerChoice {
    Rabbitmq,
    Sqs,
    Kafka,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The confirmed ids, one a line.
    Ids,
    /// One JSON object with counts and ids.
    Json,
}

fn seconds(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|seconds: &f64| (0.0..=86_400.0).contains(seconds))
        .ok_or_else(|| format!("{text:?} is not a number of seconds from 0 to 86400"))
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let tasks = args.tasks()?;
    let target = match args.broker {
        BrokerChoice::Rabbitmq => args.rabbitmq.connect(&args.common).await?,
        BrokerChoice::Sqs => args.sqs.connect(&args.common).await?,
        BrokerChoice::Kafka => args.kafka.connect(&args.common).await?,
    };
    if args.declare {
        for note in target.declare().await? {
            eprintln!("{note}");
        }
    }
    let started = Instant::now();
    let ids = args.output == Format::Ids;
    let sent = follow(&*target, &tasks, ids).await?;
    if !ids {
        print_json(&sent, started.elapsed())?;
    }
    target.close().await;
    if sent.complete() { Ok(()) } else { anyhow::bail!(account(&sent)) }
}

impl Args {
    fn tasks(&self) -> anyhow::Result<Vec<Task>> {
        if !self.durations.is_empty() {
            let seed = self.seed.unwrap_or_else(rand::random);
            return Ok(simulated(&self.durations, self.count, seed));
        }
        let given = match &self.file {
            Some(file) => {
                let text = if file.as_os_str() == "-" {
                    let mut text = String::new();
                    std::io::stdin().read_to_string(&mut text).map(|_| text).context("standard input")?
                } else {
                    std::fs::read_to_string(file).with_context(|| file.display().to_string())?
                };
                from_lines(&text).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?
            }
            None => self.bodies.iter().map(|body| Task::from_argument(body)).collect(),
        };
        if given.is_empty() && self.file.is_none() && !self.declare {
            anyhow::bail!("nothing to publish: give bodies as arguments, --file tasks.jsonl, or --durations 2,5,30");
        }
        // The first round keeps the ids that were given; the others are different tasks.
        let again = (1..self.count).flat_map(|_| given.iter().map(Task::again));
        let rounds = if self.count == 0 { &[] } else { given.as_slice() };
        Ok(rounds.iter().cloned().chain(again).collect())
    }
}

/// Prints the ids as they are confirmed, and where a person looks, how far it is.
async fn follow(target: &dyn Target, tasks: &[Task], ids: bool) -> anyhow::Result<Sent> {
    let mut written = Ok(());
    let live = std::io::stderr().is_terminal() && tasks.len() > 1;
    let mut count = 0;
    let mut progress = |confirmed: &[String]| {
        if ids && written.is_ok() {
            written = print_ids(confirmed);
        }
        count += confirmed.len();
        if live {
            eprint!("\r{count} of {} confirmed", tasks.len());
        }
    };
    let sent = target.send(tasks, &mut progress).await;
    if live {
        eprintln!();
    }
    written.context("standard output")?;
    Ok(sent)
}

fn print_ids(ids: &[String]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for id in ids {
        writeln!(out, "{id}")?;
    }
    out.flush()
}

fn print_json(sent: &Sent, took: Duration) -> anyhow::Result<()> {
    let summary = serde_json::json!({
        "confirmed": sent.confirmed.len(),
        "unroutable": sent.unroutable,
        "refused": sent.refused,
        "unknown": sent.unknown,
        "unsent": sent.unsent,
        "seconds": took.as_secs_f64(),
        "ids": sent.confirmed,
    });
    writeln!(std::io::stdout(), "{summary}").context("standard output")
}

/// What became of those that were not confirmed, and what to do.
fn account(sent: &Sent) -> String {
    let mut parts = Vec::new();
    if sent.unroutable > 0 {
        parts.push(format!("{} returned (there is no such queue: make it with --declare)", sent.unroutable));
    }
    if sent.refused > 0 {
        parts.push(format!("{} refused (the queue may be full)", sent.refused));
    }
    if sent.unknown > 0 {
        parts.push(format!("{} unknown (they may or may not be on the queue)", sent.unknown));
    }
    if sent.unsent > 0 {
        parts.push(format!("{} not sent", sent.unsent));
    }
    let cause = sent.failure.as_ref().map(|cause| format!("; {cause}")).unwrap_or_default();
    format!("{} confirmed, not confirmed: {}{cause}", sent.confirmed.len(), parts.join(", "))
}
