//! The pool: its manifest, what is changed in it, and where it runs.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::Value;

use crate::api::quantity::GI;
use crate::api::spec::{Prefetch, Scaling};
use crate::api::{AgentWorkerPool, AgentWorkerPoolSpec, duration, parsed};
use crate::controller::validate;
use crate::scaling::settings::{DrainSupport, Mode, Settings};
use crate::simulation::cluster::Dispatch;
use crate::simulation::compare::Pool;
use crate::simulation::policy::law::Sight;

/// A worker's memory limit where no pool is given: four tasks by the defaults.
const MEMORY: u64 = 2 * GI;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Pool")]
pub struct PoolArgs {
    /// The pool's manifest: bounds, startWithin, prefetch and memory are taken from it. Without it: the defaults,
    /// with workers of 2Gi
    #[arg(long, value_name = "FILE")]
    pool: Option<PathBuf>,

    /// Instead of spec.scaling.startWithin
    #[arg(long, value_name = "DURATION")]
    start_within: Option<String>,

    /// Instead of spec.prefetch: how many tasks a worker holds
    #[arg(long, value_name = "TASKS")]
    prefetch: Option<u32>,

    /// Instead of spec.scaling.minReplicas
    #[arg(long, value_name = "WORKERS")]
    min_replicas: Option<u32>,

    /// Instead of spec.scaling.maxReplicas
    #[arg(long, value_name = "WORKERS")]
    max_replicas: Option<u32>,

    /// Instead of spec.scaling.maxConcurrency
    #[arg(long, value_name = "TASKS")]
    max_concurrency: Option<u32>,

    /// Instead of spec.scaling.maxMemory
    #[arg(long, value_name = "QUANTITY")]
    max_memory: Option<String>,

    /// Instead of spec.scaling.warmSlots
    #[arg(long, value_name = "SLOTS")]
    warm_slots: Option<u32>,

    /// Instead of spec.scaling.scaleDownWindow
    #[arg(long, value_name = "DURATION")]
    scale_down_window: Option<String>,

    /// From a worker's creation to its first task: 20s, or between two: 10s-30s
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = span, help_heading = "Cluster")]
    startup: (f64, f64),

    /// Between two decisions
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = seconds, help_heading = "Cluster")]
    interval: f64,

    /// Which worker takes a task, among those with a free slot
    #[arg(long, default_value = "fullest", value_enum, help_heading = "Cluster")]
    dispatch: DispatchArg,

    /// How busy workers stop. Default: as the operator stops the workers of --pool; without one, protocol
    #[arg(long, value_enum, help_heading = "Cluster")]
    drain: Option<Drain>,

    /// What the operator sees of tasks in flight
    #[arg(long, default_value = "exact", value_enum, help_heading = "Cluster")]
    sight: SightArg,

    /// The pool is new: its start-up time has to be learned first
    #[arg(long, help_heading = "Cluster")]
    new: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum DispatchArg {
    /// The fullest: the others become free to go
    Fullest,
    /// The least busy: what brokers do by themselves
    LeastBusy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Drain {
    /// A worker that should go is told to take no more tasks, and can be told to go on
    Protocol,
    /// Only workers seen idle go
    IdleOnly,
    /// Workers finish what they have when they get SIGTERM, and cannot go on (SQS)
    Sigterm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum SightArg {
    /// Workers report: what is in flight now
    Exact,
    /// The broker's statistics: what was in flight up to 5 s ago (a pool without worker.statusPort)
    Lagging,
    /// The queue's total only (SQS without worker.statusPort)
    Total,
}

impl PoolArgs {
    /// The pool to simulate. What cannot be simulated as it is, is said on stderr.
    pub fn read(&self, seed: u64) -> anyhow::Result<Pool> {
        let mut settings = match &self.pool {
            Some(file) => {
                let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
                self.settings_of(manifest(&text).with_context(|| file.display().to_string())?)?
            }
            None => self.defaults()?,
        };
        match self.drain {
            Some(Drain::Protocol) => settings.drain = DrainSupport::Protocol,
            Some(Drain::IdleOnly) => settings.drain = DrainSupport::IdleOnly,
            Some(Drain::Sigterm) => settings.drain = DrainSupport::Sigterm,
            None => {}
        }
        settings.reports = self.sight == SightArg::Exact;
        Ok(Pool {
            settings,
            startup: self.startup,
            interval: self.interval,
            dispatch: match self.dispatch {
                DispatchArg::Fullest => Dispatch::Fullest,
                DispatchArg::LeastBusy => Dispatch::LeastBusy,
            },
            sight: match self.sight {
                SightArg::Exact => Sight::Exact,
                SightArg::Lagging => Sight::Lagging,
                SightArg::Total => Sight::Total,
            },
            new: self.new,
            seed,
        })
    }

    fn defaults(&self) -> anyhow::Result<Settings> {
        let mut spec = AgentWorkerPoolSpec::default();
        self.change(&mut spec);
        let settings = spec.settings(Some(MEMORY), Some(MEMORY))?;
        Ok(Settings { drain: DrainSupport::Protocol, ..settings })
    }

    fn settings_of(&self, mut pool: AgentWorkerPool) -> anyhow::Result<Settings> {
        self.change(&mut pool.spec);
        let parsed = parsed::Pool::try_from(&pool.spec)?;
        let pod = match &parsed.worker {
            parsed::Worker::Template(template) => Some(&template.pod.sizes),
            parsed::Worker::TargetRef(_) if fixed(&pool.spec) => None,
            parsed::Worker::TargetRef(target) => bail!(
                "the memory of Deployment {} is not in the manifest: say with --prefetch how many tasks a worker holds",
                target.name
            ),
        };
        let mut settings =
            validate::settings(&pool.spec, &parsed, pod).map_err(|refusal| anyhow::anyhow!(refusal.message))?;
        if settings.mode != Mode::Auto || settings.hold_replicas.is_some() {
            eprintln!("note: simulated as if mode were Auto and holdReplicas absent");
            settings.mode = Mode::Auto;
            settings.hold_replicas = None;
        }
        if parsed.status_port.is_none() && self.sight == SightArg::Exact {
            let sight = if settings.drain == DrainSupport::Sigterm { "total" } else { "lagging" };
            eprintln!("note: without worker.statusPort the operator sees less of what is in flight: --sight {sight}");
        }
        Ok(settings)
    }

    /// Puts what the command line says into the spec, so that it is read and refused like the rest.
    fn change(&self, spec: &mut AgentWorkerPoolSpec) {
        if let Some(tasks) = self.prefetch {
            spec.prefetch = Some(Prefetch { auto: None, fixed: Some(tasks) });
        }
        let before = spec.scaling.take().unwrap_or_default();
        spec.scaling = Some(Scaling {
            start_within: self.start_within.clone().or(before.start_within),
            min_replicas: self.min_replicas.or(before.min_replicas),
            max_replicas: self.max_replicas.or(before.max_replicas),
            max_concurrency: self.max_concurrency.or(before.max_concurrency),
            max_memory: self.max_memory.clone().map(Quantity).or(before.max_memory),
            warm_slots: self.warm_slots.or(before.warm_slots),
            scale_down_window: self.scale_down_window.clone().or(before.scale_down_window),
            ..before
        });
    }
}

fn fixed(spec: &AgentWorkerPoolSpec) -> bool {
    spec.prefetch.as_ref().is_some_and(|prefetch| prefetch.fixed.is_some())
}

/// The pool among the documents of a manifest.
fn manifest(text: &str) -> anyhow::Result<AgentWorkerPool> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).context("this is no YAML")?;
    let mut pools = documents.into_iter().filter(|document| document["kind"] == "AgentWorkerPool");
    match (pools.next(), pools.next()) {
        (Some(pool), None) => serde_json::from_value(pool).context("this is no AgentWorkerPool"),
        (None, _) => bail!("there is no object of kind AgentWorkerPool"),
        (Some(_), Some(_)) => bail!("there is more than one AgentWorkerPool; simulate one at a time"),
    }
}

/// A duration as in a manifest, more than 0.
pub fn seconds(text: &str) -> Result<f64, String> {
    let seconds = duration::parse(text).map_err(|remedy| remedy.to_string())?;
    (seconds > 0.0).then_some(seconds).ok_or_else(|| "write a duration of more than 0s".to_owned())
}

/// `20s`, or `10s-30s`.
fn span(text: &str) -> Result<(f64, f64), String> {
    let parse = |text: &str| duration::parse(text).map_err(|remedy| remedy.to_string());
    match text.split_once('-') {
        None => parse(text).map(|seconds| (seconds, seconds)),
        Some((from, to)) => match (parse(from)?, parse(to)?) {
            (from, to) if from <= to => Ok((from, to)),
            _ => Err("write the shorter first, such as 10s-30s".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests;
