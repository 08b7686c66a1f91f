//! `awp explain`: why a pool has the number of workers it has.

mod operator;

use std::time::SystemTime;

use anyhow::Context as _;
use kube::{Api, Client, Config};

use super::output::{Output, colour};
use crate::api::AgentWorkerPool;
use crate::explanation::{Report, status, text};
use crate::scaling::time::Timestamp;
use operator::Answer;

/// Explain a pool's last decision: what was read, each step with its numbers, and what would change it.
///
/// The operator keeps the inputs of each pool's last decision and is asked for them: at --operator, or else
/// through the API server's proxy, which needs the right to get services/proxy or pods/proxy where it runs
/// (docs/explain.md). Where it cannot be asked, the pool's status has to do, and what is missing is said.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  awp explain research -n agents\n  awp explain research -o json | jq .whatIf\n  \
                  kubectl -n agents port-forward deploy/awp 8080 & awp explain research --operator http://127.0.0.1:8080")]
pub struct Args {
    /// The pool.
    pool: String,

    /// Its namespace. Default: that of the kubeconfig's current context.
    #[arg(short, long)]
    namespace: Option<String>,

    /// Where the operator answers, instead of looking for it through the API server.
    #[arg(long, env = "AWP_OPERATOR", value_name = "URL")]
    operator: Option<String>,

    /// Text for people, or the explanation as data.
    #[arg(short, long, default_value = "text", value_enum)]
    output: Output,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let report = report(&args).await?;
    print!("{}", args.output.answer(|| &report, || text::render(&report, colour()))?);
    Ok(())
}

async fn report(args: &Args) -> anyhow::Result<Report> {
    let name = &args.pool;
    if let (Some(url), Some(namespace)) = (&args.operator, &args.namespace)
        && let Ok(report) = operator::at(url, namespace, name).await
    {
        // Nothing of the cluster is needed.
        return Ok(report);
    }
    let mut config = Config::infer().await.context("no cluster to talk to: set KUBECONFIG")?;
    // An operator that is not there is told at once, not after attempts that nobody sees.
    config.default_retry = false;
    let namespace = args.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config)?;
    let asked = match &args.operator {
        Some(url) => operator::at(url, &namespace, name).await.map_err(|why| vec![why]),
        None => match operator::by_proxy(&client, &namespace, name).await {
            Answer::Report(report) => Ok(*report),
            Answer::Nothing(why) => Err(why),
        },
    };
    let why = match asked {
        Ok(report) => return Ok(report),
        Err(why) => why,
    };
    let api: Api<AgentWorkerPool> = Api::namespaced(client, &namespace);
    let pool = api.get_opt(name).await.with_context(|| format!("cannot read pool {namespace}/{name}"))?;
    let pool = pool.with_context(|| format!("there is no pool {name} in namespace {namespace}"))?;
    let missing = "the law's terms, limits, workers and what would change the answer: only the operator has them";
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    Ok(status::report(&pool, std::iter::once(missing.to_owned()).chain(why).collect(), Timestamp(now)))
}
