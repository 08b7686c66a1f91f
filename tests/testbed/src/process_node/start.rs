//! The thread of a process node: brings everything up, runs it, takes everything down.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, anyhow};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::sync::oneshot;

use super::addresses::Addresses;
use super::argv::Images;
use super::context::Context;
use super::env::Variables;
use super::launcher::Launcher;
use super::objects::Objects;
use super::{Options, agent, checks, folder, node_object};

/// Runs the node to its end; `started` hears once whether it is up.
pub fn run(
    kubeconfig: &Path,
    options: Options,
    started: oneshot::Sender<Result<()>>,
    stop: oneshot::Receiver<Duration>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            // Whoever started the node may have given up.
            let _ = started.send(Err(error.into()));
            return;
        }
    };
    runtime.block_on(async {
        match prepare(kubeconfig, options).await {
            Ok(context) => {
                let context = Arc::new(context);
                let _ = started.send(Ok(()));
                agent::run(context.clone(), stop).await;
                context.launcher.finish();
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
}

async fn prepare(kubeconfig: &Path, options: Options) -> Result<Context> {
    // Refused when the process has a provider already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = Kubeconfig::read_from(kubeconfig)
        .with_context(|| format!("cannot read the kubeconfig {}", kubeconfig.display()))?;
    let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default())
        .await
        .with_context(|| format!("cannot use the kubeconfig {}", kubeconfig.display()))?;
    let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    let client = Client::try_from(config)?;

    let logs = options.dir.join("logs");
    let mark = format!("{}-{}", std::process::id(), unique());
    let pods = options.dir.join(format!("pods-{mark}"));
    for made in [&logs, &pods] {
        folder::private_folder(made).with_context(|| format!("cannot make {}", made.display()))?;
    }
    // Children run in folders of their own: what is relative for us would be somewhere else for them.
    let (logs, pods) = (logs.canonicalize()?, pods.canonicalize()?);
    let launcher = Launcher::start(&pods, mark).context("cannot start /bin/sh, the watchdog of the process node")?;
    let context = Context {
        name: options.name,
        labels: options.labels,
        taints: options.taints,
        objects: Objects::new(client.clone()),
        client,
        images: Images::new(options.images),
        launcher: Arc::new(launcher),
        addresses: Addresses::claim(std::process::id()).context("no loopback addresses for pods")?,
        http: checks::http_client()?,
        restart_backoff: options.restart_backoff,
        retry: options.retry,
        pods,
        logs,
        server: server.clone(),
        machine: machine_variables(),
    };
    match node_object::register(&context).await {
        Ok(()) => Ok(context),
        Err(error) => {
            context.launcher.finish();
            Err(anyhow!("cannot register the node {} with {server}: {error}", context.name))
        }
    }
}

fn unique() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos()
}

/// A container sees little of the machine: where programs are, its language, its time zone.
fn machine_variables() -> Variables {
    let passed = ["PATH", "LANG", "LC_ALL", "TZ"];
    passed.into_iter().filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))).collect()
}
