//! A control plane with a node that runs pods as processes.

use std::path::PathBuf;
use std::time::Duration;

use awp_testbed::base::scratch::Scratch;
use awp_testbed::operator::{self, install_chart};
use awp_testbed::process_node::{Options, ProcessNode};
use awp_testbed::{ControlPlane, rabbitmq};
use tokio::sync::OnceCell;

use crate::bench::{AWP, Bench, CHART};

pub struct Cluster {
    pub plane: ControlPlane,
    _node: ProcessNode,
    /// Of the workers' logs.
    pub logs: PathBuf,
    _scratch: Scratch,
}

static SHARED: OnceCell<Cluster> = OnceCell::const_new();

impl Cluster {
    /// One that a test may hurt.
    pub async fn start() -> Self {
        let scratch = Scratch::new("e2e").unwrap();
        let folder = scratch.folder("node").unwrap();
        let plane = ControlPlane::start().await.unwrap();
        // The second image has no program of its own: its pods bring their command.
        let options = Options::new("e2e", &folder).image("awp:dev", [AWP]).image("any:dev", [] as [&str; 0]);
        let options = Options { restart_backoff: Duration::from_secs(1), ..options };
        let node = ProcessNode::start(plane.kubeconfig(), options).await.unwrap();
        // The CRD once, before tests beside each other would create it.
        install_chart(&plane, &operator::Options::new(AWP, CHART, "default")).await.unwrap();
        Self { plane, _node: node, logs: folder.join("logs"), _scratch: scratch }
    }

    /// The one that all tests share which only use it.
    pub async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start).await
    }
}

/// A bench on the shared servers.
pub async fn bench(name: &str) -> Bench<'static> {
    let (cluster, broker) = tokio::join!(Cluster::shared(), rabbitmq());
    Bench::new(cluster, broker, name).await
}
