//! Where is measured: a control plane with fake pods, a broker as it is configured in production, the operator with the
//! chart's rights, and many pools.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt;
use futures::stream::iter;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::runtime::watcher::Config;
use serde_json::{Value, json};

use super::broker::{self, Broker, Kind, SECRET};
use crate::changes::Changes;
use crate::operator::{Operator, Options, install_chart};
use crate::{ControlPlane, Kwok, replicas};

/// Tasks that a worker holds.
pub const PREFETCH: u32 = 4;
/// Requests to the API server at a time, and queues that are made.
pub const AT_ONCE: usize = 8;

pub struct Site {
    pub plane: ControlPlane,
    pub broker: Box<dyn Broker>,
    pub namespace: String,
    kwok: Kwok,
}

impl Site {
    pub async fn start(kind: Kind) -> Result<Self> {
        let cluster = async {
            let plane = ControlPlane::start().await?;
            let kwok = Kwok::start(&plane).await?;
            anyhow::Ok((plane, kwok))
        };
        let ((plane, kwok), broker) = futures::try_join!(cluster, broker::start(kind))?;
        let namespace = plane.namespace("fleet").await?;
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "namespace": namespace},
            "stringData": broker.login(),
        });
        plane.apply(&secret.to_string()).await?;
        Ok(Self { plane, broker, namespace, kwok })
    }

    pub async fn shut_down(self) -> Result<()> {
        self.kwok.shut_down().await?;
        self.broker.shut_down().await?;
        self.plane.shut_down().await
    }

    /// The chart's CRD and rights.
    pub async fn install(&self, awp: &Path) -> Result<()> {
        install_chart(&self.plane, &self.options(awp)).await
    }

    /// With the rights of [`Site::install`].
    pub async fn operator(&self, awp: &Path) -> Result<Operator> {
        let kubeconfig = self.plane.kubeconfig_for(&self.namespace, "awp").await?;
        Operator::start_with(&kubeconfig, &self.options(awp)).await
    }

    fn options(&self, awp: &Path) -> Options {
        let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/awp");
        Options { log: "info".into(), ..Options::new(awp, chart, &self.namespace) }
    }

    /// Creates the pools `names`, each on the queue of its name; `scaling` is `spec.scaling`.
    pub async fn create(&self, names: &[String], scaling: &Value) -> Result<()> {
        let api = self.pools();
        let each = |name: &String| {
            let (api, pool) = (api.clone(), serde_json::from_value(self.pool(name, scaling)));
            async move {
                api.create(&PostParams::default(), &pool?).await?;
                anyhow::Ok(())
            }
        };
        let mut created = iter(names.iter().map(each)).buffer_unordered(AT_ONCE);
        while let Some(one) = created.next().await {
            one.context("creating a pool")?;
        }
        Ok(())
    }

    fn pool(&self, name: &str, scaling: &Value) -> Value {
        json!({
            "apiVersion": "agentworkers.io/v1alpha1", "kind": "AgentWorkerPool",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "broker": self.broker.spec(name),
                "worker": {"template": {"spec": {"containers": [{
                    "name": "agent", "image": "example/agent:1", "resources": {"limits": {"memory": "2Gi"}},
                }]}}},
                "prefetch": {"fixed": PREFETCH},
                "scaling": scaling,
            },
        })
    }

    /// What each pool's status says of the decision's replicas.
    pub fn decisions(&self) -> Changes<i64> {
        let decided = |pool: &DynamicObject| pool.data.pointer("/status/decision/applied").and_then(Value::as_i64);
        let kind = kind();
        let api: Api<DynamicObject> = Api::namespaced_with(self.plane.admin(), &self.namespace, &kind);
        Changes::follow(api, Config::default(), decided)
    }

    /// Replicas of each pool's Deployment.
    pub fn sizes(&self) -> Changes<i32> {
        let api = Api::<Deployment>::namespaced(self.plane.admin(), &self.namespace);
        Changes::follow(api, Config::default(), replicas::of)
    }

    /// Ready workers of each pool.
    pub fn ready(&self) -> Changes<i32> {
        let ready = |deployment: &Deployment| deployment.status.as_ref()?.ready_replicas;
        let api = Api::<Deployment>::namespaced(self.plane.admin(), &self.namespace);
        Changes::follow(api, Config::default(), ready)
    }

    fn pools(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.plane.admin(), &self.namespace, &kind())
    }

    /// The operator in the API server's audit log.
    pub fn operator_user(&self) -> String {
        format!("system:serviceaccount:{}:awp", self.namespace)
    }
}

fn kind() -> ApiResource {
    ApiResource {
        group: "agentworkers.io".into(),
        version: "v1alpha1".into(),
        api_version: "agentworkers.io/v1alpha1".into(),
        kind: "AgentWorkerPool".into(),
        plural: "agentworkerpools".into(),
    }
}

/// `pool-0000`, …: all of one length, so that requests about them are.
pub fn names(from: usize, count: usize) -> Vec<String> {
    (from..from + count).map(|number| format!("pool-{number:04}")).collect()
}

/// Longer than anything here takes on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(300);
