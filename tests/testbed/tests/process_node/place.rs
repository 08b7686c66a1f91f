//! A node of the test's own in the shared cluster, and small verbs for its pods.

use std::path::PathBuf;
use std::time::Duration;

use awp_testbed::base::wait;
use awp_testbed::process_node::Options;
use awp_testbed::{ControlPlane, ProcessNode, control_plane};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};

pub const LIMIT: Duration = Duration::from_secs(30);

pub struct Place {
    pub cluster: &'static ControlPlane,
    pub namespace: String,
    pub node: ProcessNode,
    pub dir: tempfile::TempDir,
}

impl Place {
    /// A namespace and a node that knows the images `sh` (bring a command), `web` and `kubectl`.
    pub async fn new(label: &str) -> Self {
        let cluster = control_plane().await;
        let namespace = cluster.namespace(label).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let options = Self::options(cluster, &namespace, dir.path().to_owned());
        let node = ProcessNode::start(cluster.kubeconfig(), options).await.unwrap();
        Self { cluster, namespace, node, dir }
    }

    pub fn options(cluster: &ControlPlane, name: &str, dir: PathBuf) -> Options {
        let this = std::env::current_exe().unwrap().display().to_string();
        let kubectl = cluster.program("kubectl").display().to_string();
        let mut options = Options::new(name, dir)
            .image("sh", [""; 0])
            .image("web", [this.as_str(), "--ignored", "--exact", "server::answers_until_it_is_killed"])
            .image("kubectl", [kubectl]);
        options.restart_backoff = Duration::from_millis(500);
        options
    }

    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.cluster.admin(), &self.namespace)
    }

    /// The spec, bound to this node.
    pub fn here(&self, mut spec: Value) -> Value {
        spec["nodeSelector"] = json!({"kubernetes.io/hostname": self.node.name()});
        spec
    }

    pub async fn create(&self, name: &str, spec: Value) {
        let pod = json!({"metadata": {"name": name, "labels": {"app": name}}, "spec": self.here(spec)});
        self.pods().create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    }

    /// A pod of one container that runs a script.
    pub async fn script(&self, name: &str, script: &str) {
        self.create(name, json!({"containers": [shell("main", script)]})).await;
    }

    pub async fn pod(&self, name: &str) -> Value {
        serde_json::to_value(self.pods().get_opt(name).await.unwrap()).unwrap()
    }

    /// Waits until the pod is as `is` says, and answers it.
    pub async fn until(&self, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let what = format!("{name}: {what}");
        let found = wait::until(&what, LIMIT, async || {
            last = self.pod(name).await;
            Ok(is(&last).then_some(()))
        });
        if let Err(error) = found.await {
            panic!("{error:#}: {last:#}\n{}", self.log(name));
        }
        last
    }

    pub async fn ready(&self, name: &str) -> Value {
        self.until(name, "ready", |pod| condition(pod, "Ready") == "True").await
    }

    pub async fn gone(&self, name: &str) {
        self.until(name, "gone", Value::is_null).await;
    }

    pub async fn delete(&self, name: &str, grace: u32) {
        self.pods().delete(name, &DeleteParams::default().grace_period(grace)).await.unwrap();
    }

    pub fn log(&self, name: &str) -> String {
        self.node.log(&self.namespace, name, "main")
    }

    /// Waits until the pod's main container has written this.
    pub async fn wrote(&self, name: &str, text: &str) -> String {
        let what = format!("{name} writes {text:?}");
        let found = wait::until(&what, LIMIT, async || Ok(Some(self.log(name)).filter(|log| log.contains(text)))).await;
        found.unwrap_or_else(|error| panic!("{error:#}; it wrote {:?}", self.log(name)))
    }
}

pub fn shell(name: &str, script: &str) -> Value {
    json!({"name": name, "image": "sh", "command": ["sh", "-c", script]})
}

pub fn condition<'a>(pod: &'a Value, type_: &str) -> &'a str {
    let conditions = pod["status"]["conditions"].as_array();
    let found = conditions.and_then(|conditions| conditions.iter().find(|c| c["type"] == type_));
    found.and_then(|condition| condition["status"].as_str()).unwrap_or_default()
}

/// The status of the pod's first container.
pub fn container(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]
}

/// Whether a process runs; one that ended and was not collected yet does not.
pub fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with(['Z', 'X']))
}
