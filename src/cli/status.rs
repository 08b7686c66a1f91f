//! `awp status`: all pools at a glance.

use anyhow::Context as _;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use kube::api::ListParams;
use kube::{Api, Client, Config, ResourceExt};

use crate::api::AgentWorkerPool;

/// Show pools: backlog, workers, what bounds them and why.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  awp status -n agents\n  awp status -n agents research\n  awp status -o json | jq ."
)]
pub struct Args {
    /// Only this pool.
    pool: Option<String>,

    /// Namespace. Default: that of the kubeconfig's current context.
    #[arg(short, long)]
    namespace: Option<String>,

    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,

    /// Text for people, or the pools themselves.
    #[arg(short, long, default_value = "text", value_enum)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
    Yaml,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let config = Config::infer().await.context("no cluster to talk to: set KUBECONFIG")?;
    let namespace = args.namespace.unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config)?;
    let api: Api<AgentWorkerPool> =
        if args.all_namespaces { Api::all(client) } else { Api::namespaced(client, &namespace) };
    let mut params = ListParams::default();
    if let Some(pool) = &args.pool {
        params = params.fields(&format!("metadata.name={pool}"));
    }
    let pools = api
        .list(&params)
        .await
        .context("cannot list pools; is the CRD installed? `awp crd | kubectl apply -f -`")?
        .items;
    if let (Some(pool), true) = (&args.pool, pools.is_empty()) {
        anyhow::bail!("there is no pool {pool} in namespace {namespace}");
    }
    match args.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&pools)?),
        Output::Yaml => print!("{}", serde_saphyr::to_string(&pools)?),
        Output::Text if pools.is_empty() => eprintln!("no pools"),
        Output::Text => println!("{}", table(&pools, args.all_namespaces)),
    }
    Ok(())
}

fn table(pools: &[AgentWorkerPool], with_namespace: bool) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    let mut header = vec!["POOL", "READY", "IN FLIGHT", "WORKERS", "BOUND BY", "WHY"];
    if with_namespace {
        header.insert(0, "NAMESPACE");
    }
    table.set_header(header);
    for pool in pools {
        let mut row = row(pool);
        if with_namespace {
            row.insert(0, pool.namespace().unwrap_or_default());
        }
        table.add_row(row);
    }
    table
}

/// Unknown is a question mark, never a zero.
fn row(pool: &AgentWorkerPool) -> Vec<String> {
    let status = pool.status.clone().unwrap_or_default();
    let known = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    let backlog = status.backlog.unwrap_or_default();
    let workers = format!("{}/{}", known(status.ready_replicas.map(u64::from)), known(status.replicas.map(u64::from)));
    let problem = status.conditions.iter().find(|one| one.type_ == "Ready" && one.status == "False");
    let (bound, why) = match (problem, status.decision) {
        (Some(problem), _) => (problem.reason.clone(), problem.message.clone()),
        (None, Some(decision)) => (decision.bound_by, decision.reason),
        (None, None) => ("?".into(), "not looked at yet; is the operator running?".into()),
    };
    vec![pool.name_any(), known(backlog.ready), known(backlog.in_flight), workers, bound, why]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_a_question_mark() {
        let mut pool = AgentWorkerPool::default();
        pool.metadata.name = Some("research".into());
        assert_eq!(row(&pool)[..5], ["research", "?", "?", "?/?", "?"]);
    }
}
