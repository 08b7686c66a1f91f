//! `awp release`: ends a manual hold.

use anyhow::Context as _;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Config};
use serde_json::json;

use crate::api::AgentWorkerPool;

/// End a manual hold: the queue decides the number of workers again.
///
/// A hold begins with `kubectl scale awp/POOL --replicas=N`, or with spec.scaling.holdReplicas in the manifest.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  awp release research -n agents")]
pub struct Args {
    /// The pool.
    pool: String,

    /// Its namespace. Default: that of the kubeconfig's current context.
    #[arg(short, long)]
    namespace: Option<String>,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let config = Config::infer().await.context("no cluster to talk to: set KUBECONFIG")?;
    let namespace = args.namespace.unwrap_or_else(|| config.default_namespace.clone());
    let api: Api<AgentWorkerPool> = Api::namespaced(Client::try_from(config)?, &namespace);
    let name = &args.pool;
    let pool = api.get_opt(name).await.with_context(|| format!("cannot read pool {namespace}/{name}"))?;
    let pool = pool.with_context(|| format!("there is no pool {name} in namespace {namespace}"))?;
    let Some(held) = pool.spec.scaling.as_ref().and_then(|scaling| scaling.hold_replicas) else {
        eprintln!("pool {namespace}/{name} is not held");
        return Ok(());
    };
    let patch = Patch::Merge(json!({ "spec": { "scaling": { "holdReplicas": null } } }));
    api.patch(name, &PatchParams::default(), &patch)
        .await
        .with_context(|| format!("cannot release pool {namespace}/{name}"))?;
    eprintln!("pool {namespace}/{name} is released (it was held at {held}); the queue decides again");
    eprintln!("if the manifest in git has scaling.holdReplicas, remove it there too");
    Ok(())
}
