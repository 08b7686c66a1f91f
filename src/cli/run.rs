//! `awp run`: the operator.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use kube::Config;
use kube::client::ClientBuilder;
use tokio::net::TcpListener;

use crate::brokers;
use crate::brokers::metrics::BrokerMetrics;
use crate::brokers::rabbitmq::Limits;
use crate::clock::Clock;
use crate::controller::broker::AwsPolicy;
use crate::controller::explanations::Explanations;
use crate::controller::world::PoolKey;
use crate::controller::{self, Parts};
use crate::ops::admin::Explain;
use crate::ops::limit::{AtMost, Bounds};
use crate::ops::metrics::Metrics;
use crate::ops::readiness::Readiness;
use crate::ops::{admin, shutdown};
use crate::runtime::settings::parse_status_address;
use crate::workers::HttpWorkerClient;

/// Run the operator: watch pools, read their queues, scale their workers.
///
/// In a cluster it uses its ServiceAccount; elsewhere the current context of the kubeconfig (KUBECONFIG).
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  awp run --namespace agents\n  AWP_NAMESPACES=agents,research awp run --admin 127.0.0.1:8080"
)]
pub struct Args {
    /// Namespace to watch; repeat it, or separate by commas, for several. Default: the one it runs in, or that of
    /// the kubeconfig's current context.
    #[arg(short, long = "namespace", env = "AWP_NAMESPACES", value_delimiter = ',', value_name = "NAMESPACE")]
    namespaces: Vec<String>,

    /// Address of /livez, /readyz, /metrics and /explain.
    #[arg(long, env = "AWP_ADMIN_ADDRESS", default_value = "127.0.0.1:8080", value_name = "IP:PORT", value_parser = parse_status_address)]
    admin: SocketAddr,

    /// Most looks at queues per second on one RabbitMQ; with more queues than that each is looked at less often than
    /// every second. 1000 cost the broker 2 to 4 % of a core.
    #[arg(long, env = "AWP_RABBITMQ_LOOKS_PER_SECOND", default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=100_000))]
    rabbitmq_looks_per_second: u32,

    /// Most requests per second to the management API of one RabbitMQ, which tells what is in flight: all vhosts and
    /// logins on it take turns. 2 are enough for about ten vhosts with busy workers.
    #[arg(long, env = "AWP_RABBITMQ_REQUESTS_PER_SECOND", default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rabbitmq_requests_per_second: u32,

    /// Namespace whose pools may use the operator's own AWS identity (SQS without credentials, or with
    /// assumeRoleArn); repeat it, or separate by commas. Default: none.
    #[arg(long, env = "AWP_AWS_NAMESPACES", value_delimiter = ',', value_name = "NAMESPACE")]
    aws_namespaces: Vec<String>,

    /// This cluster's name, the first part of the external id when the operator assumes a role:
    /// CLUSTER/NAMESPACE/POOL.
    #[arg(long, env = "AWP_CLUSTER_NAME", default_value = "kubernetes", value_name = "NAME")]
    cluster_name: String,
}

/// An answer of the API server that takes longer than this is none: watches are not concerned.
const API_TIMEOUT: Duration = Duration::from_secs(20);

/// Requests to the API server at a time: more of a namespace than one server can work on at once, few enough that a
/// thousand pools that decide together open no thousand connections.
const API_REQUESTS: Bounds = Bounds { of_one: 16, fresh: 20, kept_free: 4 };

pub async fn run(args: Args) -> anyhow::Result<()> {
    let stop = shutdown::on_signal().context("cannot listen for signals")?;
    let mut config = Config::infer()
        .await
        .context("no cluster to talk to: set KUBECONFIG, or run in a pod with a ServiceAccount")?;
    config.connect_timeout = Some(API_TIMEOUT);
    // kube takes HTTPS_PROXY from the environment and does not know NO_PROXY: the API server is reached directly.
    config.proxy_url = None;
    let mut namespaces: BTreeSet<String> = args.namespaces.into_iter().filter(|name| !name.is_empty()).collect();
    if namespaces.is_empty() {
        namespaces.insert(config.default_namespace.clone());
    }
    let client = ClientBuilder::try_from(config).context("the kubeconfig cannot be used")?;
    let client = client.with_layer(&AtMost::new(API_REQUESTS)).build();
    let listener = TcpListener::bind(args.admin)
        .await
        .with_context(|| format!("cannot listen on {}; choose another address with --admin", args.admin))?;
    let address = listener.local_addr().context("no admin address")?;
    tracing::info!(namespaces = ?namespaces, admin = %address, version = env!("CARGO_PKG_VERSION"), "operator starts");
    let explanations = Arc::new(Explanations::default());
    let clock = Clock::starting_at(SystemTime::now());
    let limits = Limits {
        looks_per_second: args.rabbitmq_looks_per_second.into(),
        requests_per_second: args.rabbitmq_requests_per_second.into(),
    };
    let readers = brokers::live(clock, rand::random::<f64>);
    let readers = Arc::new(readers.with_limits(limits));
    let metrics = Arc::new(Metrics::default().with_collector(BrokerMetrics(readers.clone())));
    let readiness = Readiness::default();
    let parts = Parts {
        client,
        clock,
        jitter: rand::random::<f64>,
        brokers: readers,
        workers: Arc::new(HttpWorkerClient::new(clock).context("cannot make an HTTP client")?),
        metrics: metrics.clone(),
        readiness: readiness.clone(),
        explanations: explanations.clone(),
        namespaces,
        aws: AwsPolicy {
            namespaces: args.aws_namespaces.into_iter().filter(|name| !name.is_empty()).collect(),
            cluster: args.cluster_name,
        },
    };
    let explain: Explain = Arc::new(move |namespace, name| {
        let report = explanations.report(&PoolKey { namespace, name }, clock.now())?;
        serde_json::to_value(report).ok()
    });
    let admin = admin::serve(listener, readiness, metrics, explain, stop.clone());
    let (served, ()) = tokio::join!(admin, controller::run(parts, stop));
    served.context("the admin server failed")
}
