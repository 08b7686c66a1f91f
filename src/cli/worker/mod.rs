//! `awp worker`: see [`crate::runtime`].
#![expect(clippy::doc_markdown, reason = "doc comments on arguments are the help text, which shows backticks")]

mod kafka;
mod rabbitmq;
mod sqs;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;

use crate::api::{duration, quantity};
use crate::runtime::broker::Broker;
use crate::runtime::settings::{Settings, parse_status_address};
use crate::runtime::shutdown::Shutdown;
use crate::runtime::{self, Command, Ended, Output, Work};

/// Take tasks from a queue and run a command for each.
///
/// A task is acknowledged after its command has succeeded. A command that fails or takes too long
/// sends its task to the dead-letter queue, with the reason in the header `awp-reason`. SIGTERM
/// stops taking tasks and lets the running ones finish; a second one ends them.
///
/// In a pool the operator sets all of it by environment variables.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES, group = clap::ArgGroup::new("work").required(true).args(["exec", "simulate"]))]
pub struct Args {
    /// Run the command given after `--` for each task.
    ///
    /// It gets the body on standard input and AWP_TASK_ID, AWP_ATTEMPT, AWP_REDELIVERED,
    /// AWP_TASK_TYPE and AWP_DEADLINE (Unix seconds) in its environment. Exit status 0 is success.
    #[arg(long, requires = "command")]
    exec: bool,
    /// Do not work, but sleep for as long as the task says: {"durationSeconds": 12.5}.
    #[arg(long)]
    simulate: bool,
    /// The command of --exec and its arguments.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    /// Where the output of the command goes.
    #[arg(long, env = "AWP_OUTPUT", value_enum, default_value_t = OutputChoice::Inherit)]
    output: OutputChoice,

    /// Which kind of broker.
    #[arg(long, env = "AWP_BROKER", value_enum, default_value_t = BrokerChoice::Rabbitmq)]
    broker: BrokerChoice,
    /// Tasks at once (1 to 65535).
    #[arg(long, env = "AWP_PREFETCH", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    prefetch: u16,
    /// A task that runs longer is ended and dead-lettered, like 25m; absent = no limit.
    #[arg(long, env = "AWP_TASK_TIMEOUT", value_parser = time)]
    task_timeout: Option<Duration>,
    /// A task with a larger body is dead-lettered.
    #[arg(long, env = "AWP_MAX_PAYLOAD", default_value = "1Mi", value_parser = size)]
    max_payload: usize,
    /// Accept only tasks of this type (header awp-task-type). May be repeated; AWP_TASK_TYPES is
    /// separated by commas.
    #[arg(long = "task-type", env = "AWP_TASK_TYPES", value_delimiter = ',')]
    task_types: Vec<String>,
    /// Serve /status, /ready and /healthz there, like 0.0.0.0:9464; absent = nowhere.
    #[arg(long, env = "AWP_STATUS_ADDRESS", value_parser = parse_status_address)]
    status_address: Option<SocketAddr>,
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
    /// A folder with the login, read again at each connection: the files `username` and `password`.
    /// Without it AWP_USERNAME and AWP_PASSWORD are used. SQS: the files AWS_ACCESS_KEY_ID,
    /// AWS_SECRET_ACCESS_KEY and, for temporary keys, AWS_SESSION_TOKEN; without it the process's own
    /// AWS identity is used.
    #[arg(long, env = "AWP_CREDENTIALS_DIR")]
    credentials_dir: Option<PathBuf>,
    /// A folder with ca.crt, tls.crt and tls.key, each optional, for encrypted connections.
    #[arg(long, env = "AWP_TLS_DIR")]
    tls_dir: Option<PathBuf>,
    /// The worker's name at the broker: its connection and consumer carry it (Kafka: client.id).
    #[arg(long, env = "AWP_POD", default_value = "awp-worker")]
    name: String,
    /// Where dead letters go: a queue's URL (SQS), a topic (Kafka).
    #[arg(long, env = "AWP_DEAD_LETTER")]
    dead_letter: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  awp worker --uri amqp://localhost --queue research --credentials-dir ./login \\
      --dead-letter-routing-key research_failed --prefetch 4 --exec -- python agent.py
  AWP_USERNAME=guest AWP_PASSWORD=guest awp worker --uri amqp://localhost --queue try \\
      --dead-letter-routing-key try_failed --simulate
  awp worker --broker sqs --queue-url https://sqs.eu-central-1.amazonaws.com/123456789012/research \\
      --dead-letter https://sqs.eu-central-1.amazonaws.com/123456789012/research_failed \\
      --prefetch 4 --exec -- python agent.py
  awp worker --broker kafka --bootstrap-servers kafka:9092 --topic research --group research \\
      --dead-letter research_failed --prefetch 4 --task-timeout 25m --exec -- python agent.py";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OutputChoice {
    /// To the worker's own standard output and error.
    Inherit,
    /// Each line becomes a log line that names the task.
    Log,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum BrokerChoice {
    Rabbitmq,
    Sqs,
    Kafka,
}

fn time(text: &str) -> Result<Duration, String> {
    let seconds = duration::parse(text).map_err(|error| error.to_string())?;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "write a time above zero, or leave it out for no limit".to_owned())
}

fn size(text: &str) -> Result<usize, String> {
    let bytes = quantity::parse(text).map_err(|error| error.to_string())?;
    usize::try_from(bytes).map_err(|error| error.to_string())
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let work = args.work()?;
    let broker = args.broker()?;
    let settings = Settings {
        slots: args.prefetch,
        task_timeout: args.task_timeout,
        max_payload: args.max_payload,
        task_types: args.task_types.iter().map(|kind| kind.trim().to_owned()).filter(|kind| !kind.is_empty()).collect(),
        status_address: args.status_address,
    };
    let shutdown = Shutdown::on_signals().context("cannot listen for signals")?;
    match runtime::run(settings, work, broker, shutdown).await? {
        Ended::Drained => Ok(()),
        Ended::Aborted => anyhow::bail!("ended by a second signal; the broker delivers unfinished tasks again"),
    }
}

impl Args {
    fn work(&self) -> anyhow::Result<Work> {
        if self.simulate {
            return Ok(Work::Simulate);
        }
        let output = match self.output {
            OutputChoice::Inherit => Output::Inherit,
            OutputChoice::Log => Output::Log,
        };
        Ok(Work::Exec(Command::new(self.command.clone(), std::env::var_os("PATH"), output)?))
    }

    fn broker(&self) -> anyhow::Result<Arc<dyn Broker>> {
        match self.broker {
            BrokerChoice::Rabbitmq => self.rabbitmq.broker(&self.common),
            BrokerChoice::Sqs => self.sqs.broker(&self.common),
            BrokerChoice::Kafka => self.kafka.broker(&self.common, self.task_timeout),
        }
    }
}
