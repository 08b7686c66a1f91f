//! `awp check`: whether a pool can work, tried step by step with its own credentials.

mod cluster;
mod manifest;
mod render;

use std::collections::BTreeSet;
use std::time::Duration;

use kube::{Client, Config};

use super::output::{Output, colour};
use crate::api::parsed::{self, Worker};
use crate::brokers;
use crate::brokers::check::{Expected, Outcome, Step};
use crate::controller::broker::{self, Asker, AwsPolicy};
use crate::controller::objects::Deployment;
use crate::controller::secrets::Secrets;
use crate::controller::validate;
use crate::controller::world::PoolKey;
use crate::scaling::prefetch::prefetch;
use crate::scaling::settings::{Prefetch, Settings};
use cluster::Cluster;
use manifest::Subject;

/// Try everything a pool needs and say what works, what does not, and what to do.
///
/// Connects to the broker with the pool's own credentials, whose Secrets are read with your kubeconfig, from
/// where you are: a name of the cluster is known inside of it only. Nothing is changed anywhere. Exits with 1 if
/// anything failed; warnings do not count.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  awp check research -n agents\n  awp check pool.yaml\n  awp check pool.yaml -o json"
)]
pub struct Args {
    /// A pool of the cluster, or a file with the manifest of one (- for stdin).
    #[arg(value_name = "POOL|FILE")]
    subject: String,

    /// Its namespace. Default: the manifest's, or that of the kubeconfig's current context.
    #[arg(short, long)]
    namespace: Option<String>,

    /// The cluster's name as the operator has it, the first part of the external id of an AWS role.
    #[arg(long, env = "AWP_CLUSTER_NAME", default_value = "kubernetes", value_name = "NAME")]
    cluster_name: String,

    /// Text for people, or the steps as data.
    #[arg(short, long, default_value = "text", value_enum)]
    output: Output,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let manifest = manifest::read(&args.subject)?;
    let config = Config::infer().await;
    let default = config.as_ref().ok().map(|config| config.default_namespace.clone());
    let client = config.ok().map(Client::try_from).transpose()?;
    let named = manifest.as_ref().and_then(|manifest| manifest["metadata"]["namespace"].as_str().map(str::to_owned));
    let namespace = args.namespace.or(named).or(default).unwrap_or_else(|| "default".to_owned());
    let cluster = Cluster::new(client, &namespace);
    let mut steps = Vec::new();
    let subject = match manifest {
        Some(manifest) => manifest::subject(manifest, &cluster, &mut steps).await,
        None => Some(cluster.pool(&args.subject).await?),
    };
    let name = subject.as_ref().map_or(args.subject.as_str(), |subject| subject.name.as_str()).to_owned();
    if let Some(subject) = subject {
        check(&subject, &cluster, &args.cluster_name, &mut steps).await;
    }
    let document = || render::document(&namespace, &name, &steps);
    let text = || render::text(&namespace, &name, &steps, colour());
    print!("{}", args.output.answer(document, text)?);
    let failed = steps.iter().filter(|step| step.outcome == Outcome::Failed).count();
    anyhow::ensure!(failed == 0, "{failed} of {} steps failed", steps.len());
    Ok(())
}

async fn check(subject: &Subject, cluster: &Cluster, cluster_name: &str, steps: &mut Vec<Step>) {
    let spec = match parsed::Pool::try_from(&subject.pool.spec) {
        Ok(spec) => spec,
        Err(invalid) => {
            steps.push(Step::failed(
                "spec",
                invalid.to_string(),
                "correct the manifest; `kubectl explain awp.spec` helps",
            ));
            return;
        }
    };
    if subject.admitted {
        steps.push(Step::passed("spec", "the API server has accepted it, and the operator understands it"));
    }
    let known = cluster.secrets(&spec, steps).await;
    let look_up = |name: &str| known.state(name);
    let key = PoolKey { namespace: cluster.namespace.clone(), name: subject.name.clone() };
    let secrets = Secrets { look_up: &look_up, namespace: &cluster.namespace };
    // What the operator allows is not known here; the identity tried is that of whoever asks.
    let aws = AwsPolicy { namespaces: BTreeSet::from([cluster.namespace.clone()]), cluster: cluster_name.to_owned() };
    let reading = broker::reading(&spec, &Asker { key: &key, secrets, aws: &aws });
    let deployment = cluster.target(&spec, steps).await;
    let settings = memory(subject, &spec, deployment.as_ref(), steps);
    match reading {
        Ok(reading) => {
            let expected = Expected {
                task_timeout: Duration::from_secs_f64(spec.task_timeout),
                prefetch: settings.as_ref().map_or(1, |settings| tasks_per_worker(settings).unwrap_or(1)),
                workers_report: spec.status_port.is_some(),
            };
            steps.extend(brokers::check::check(&reading.source, &expected).await);
            if let Worker::Template(template) = &spec.worker {
                known.worker_login(template.login.as_ref(), steps);
                if let Some(contract) = validate::contract(&spec, reading.environment) {
                    cluster.template(&subject.pool, template, &contract, steps).await;
                }
            }
        }
        Err(refusal) => {
            // A missing Secret has its own step already.
            if known.complete() {
                steps.push(Step::failed(
                    "credentials",
                    refusal.message,
                    "correct the Secret or the pool's broker section",
                ));
            }
            steps.push(Step::skipped("broker", "without its credentials nothing can be tried"));
        }
    }
}

/// Whether a worker's memory limit holds its tasks.
fn memory(
    subject: &Subject,
    spec: &parsed::Pool,
    deployment: Option<&Deployment>,
    steps: &mut Vec<Step>,
) -> Option<Settings> {
    let settings =
        validate::worker_pod(deployment, spec).and_then(|pod| validate::settings(&subject.pool.spec, spec, pod));
    let settings = match settings {
        Ok(settings) => settings,
        Err(refusal) => {
            let remedy = "raise the memory limit of the container, or lower prefetch.auto.baseMemory and taskMemory";
            steps.push(Step::failed("memory", refusal.message, remedy));
            return None;
        }
    };
    let limit = settings.container_memory.map(crate::api::quantity::format);
    steps.push(match (tasks_per_worker(&settings), limit) {
        (Some(tasks), Some(limit)) => {
            Step::passed("memory", format!("a memory limit of {limit} holds {tasks} tasks at once"))
        }
        (Some(tasks), None) => Step::passed("memory", format!("prefetch is fixed at {tasks} tasks")),
        (None, _) => Step::warning(
            "memory",
            "the container has no memory limit, so a worker holds prefetch.auto.min tasks",
            "set resources.limits.memory, or prefetch.fixed",
        ),
    });
    Some(settings)
}

/// `None` = there is no limit to derive it from.
fn tasks_per_worker(settings: &Settings) -> Option<u32> {
    let task_memory = match settings.prefetch {
        Prefetch::Fixed(_) => 0,
        Prefetch::Auto { task_memory, .. } => task_memory,
    };
    let holding = prefetch(settings, task_memory, None);
    (!holding.limit_missing).then_some(holding.tasks)
}
