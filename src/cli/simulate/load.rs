//! Which tasks come when.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::pool::seconds;
use super::recorded;
use crate::simulation::replay::Replayed;
use crate::simulation::trace::public::{RUNS, Set};
use crate::simulation::trace::synthetic::{Arrivals, Synthetic};
use crate::simulation::trace::{Trace, csv};

/// Where the public traces lie beside a checkout.
const TRACES: &str = "../shared/traces";

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Load (one of)")]
#[group(skip)]
pub struct LoadArgs {
    /// Tasks as lines of arrival_s,duration_s; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,

    /// A public load: A1 (A': bursty, 8,819 tasks in 19 h) or A2 (A'': steady, 19,366 tasks)
    #[arg(long, value_name = "NAME", value_parser = set)]
    set: Option<Set>,

    /// Tasks that come by chance, so many a minute
    #[arg(long, value_name = "PER MINUTE", value_parser = per_minute)]
    poisson: Option<f64>,

    /// So many tasks at once, every --every
    #[arg(long, value_name = "TASKS", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    burst: Option<u32>,

    /// Tasks by day and few at night, so many a minute on average
    #[arg(long, value_name = "PER MINUTE", value_parser = per_minute)]
    diurnal: Option<f64>,

    /// What happened to a pool annotated agentworkers.io/record: "true", from the operator's log in JSON;
    /// `-` reads standard input
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// With --log: the pool's name, where the log has several
    #[arg(long, requires = "log", help_heading = "About the load")]
    name: Option<String>,

    /// With --log: the pool's namespace, where the log has several
    #[arg(long, requires = "log", help_heading = "About the load")]
    namespace: Option<String>,

    /// With --set: the folder with the public traces. Default: ../shared/traces
    #[arg(long, value_name = "DIR", requires = "set", help_heading = "About the load")]
    traces: Option<PathBuf>,

    /// How long a made-up load lasts
    #[arg(long = "for", value_name = "DURATION", default_value = "24h", value_parser = seconds, help_heading = "About the load")]
    lasts: f64,

    /// With --burst: from one burst to the next
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = seconds, requires = "burst", help_heading = "About the load")]
    every: f64,

    /// How long a made-up task takes on average; they spread as real agent runs do
    #[arg(long, value_name = "DURATION", default_value = "90s", value_parser = seconds, help_heading = "About the load")]
    task_duration: f64,

    /// Of everything that is chance: the same seed gives the same load
    #[arg(long, default_value_t = 1, help_heading = "About the load")]
    pub seed: u64,
}

/// A load, and what is known of it besides.
pub struct Load {
    pub trace: Trace,
    /// Of a recorded one.
    pub recorded: Option<Replayed>,
}

impl LoadArgs {
    pub fn read(&self) -> anyhow::Result<Load> {
        let trace = if let Some(file) = &self.trace {
            let tasks = csv::parse(&read(file)?).with_context(|| file.display().to_string())?;
            Trace::new(file.display().to_string(), tasks)
        } else if let Some(set) = self.set {
            self.public(set)?
        } else if let Some(file) = &self.log {
            let recorded = recorded::parse(&read(file)?, self.namespace.as_deref(), self.name.as_deref())
                .with_context(|| file.display().to_string())?;
            return Ok(Load { trace: recorded.trace.clone(), recorded: Some(recorded) });
        } else {
            self.synthetic()?
        };
        Ok(Load { trace, recorded: None })
    }

    fn public(&self, set: Set) -> anyhow::Result<Trace> {
        let folder = self.traces.clone().unwrap_or_else(|| PathBuf::from(TRACES));
        let text = |file: &str| {
            let path = folder.join(file);
            std::fs::read_to_string(&path).with_context(|| {
                format!(
                    "the public traces are not here: cannot read {}; name their folder with --traces",
                    path.display()
                )
            })
        };
        let (arrivals, runs) = (text(set.arrivals)?, text(RUNS)?);
        set.trace(&arrivals, &runs).with_context(|| format!("{} or {RUNS} in {}", set.arrivals, folder.display()))
    }

    fn synthetic(&self) -> anyhow::Result<Trace> {
        let arrivals = match (self.poisson, self.burst, self.diurnal) {
            (Some(per_minute), ..) => Arrivals::Poisson { per_minute },
            (_, Some(tasks), _) => Arrivals::Burst { tasks, every: self.every },
            (.., Some(per_minute)) => Arrivals::Diurnal { per_minute },
            _ => bail!("say which load: --trace, --set, --poisson, --burst, --diurnal or --log"),
        };
        let load = Synthetic { arrivals, lasts: self.lasts, mean_duration: self.task_duration, seed: self.seed };
        let expected = load.expected_tasks();
        if expected > MOST_TASKS {
            bail!("{expected:.0} tasks are more than this can replay; shorten --for, or ask for fewer");
        }
        Ok(load.trace())
    }
}

/// A made-up load of more would fill memory.
const MOST_TASKS: f64 = 5e6;

/// The text of a file, or of standard input.
fn read(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        return std::io::read_to_string(std::io::stdin()).context("cannot read standard input");
    }
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn set(name: &str) -> Result<Set, String> {
    Set::named(name).ok_or_else(|| "write A1 (bursty) or A2 (steady)".to_owned())
}

fn per_minute(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "write a number, such as 12.5".to_owned())?;
    (number > 0.0 && number.is_finite()).then_some(number).ok_or_else(|| "write a number above 0".to_owned())
}
