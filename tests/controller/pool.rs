//! Pools as a user writes them, one line per deviation.

use serde_json::{Value, json};

use crate::stage::Stage;

#[derive(Clone, Debug)]
pub struct Pool(pub Value);

/// A pool on the queue `tasks` of the stage; a worker holds four tasks. Workers end within a second.
pub fn pool(stage: &Stage<'_>, name: &str) -> Pool {
    Pool(json!({
        "apiVersion": "agentworkers.io/v1alpha1",
        "kind": "AgentWorkerPool",
        "metadata": { "name": name, "namespace": stage.namespace },
        "spec": {
            "broker": { "rabbitmq": {
                "uri": stage.broker.amqp_uri(&stage.vhost),
                "managementUri": stage.broker.management_uri(),
                "credentials": { "secretRef": { "name": "broker" } },
                "queues": ["tasks"],
            } },
            "worker": { "taskTimeout": "1s", "template": { "spec": {
                "terminationGracePeriodSeconds": 1,
                "containers": [{
                    "name": "agent",
                    "image": "example/agent:1",
                    "resources": { "limits": { "memory": "2Gi" } },
                }],
            } } },
            "prefetch": { "fixed": 4 },
            // Nobody finishes anything here: without that, the law counts on workers to become free in time.
            "scaling": { "taskDuration": "10h", "scaleDownWindow": "1s" },
            "deadLetter": { "queue": "failed" },
        },
    }))
}

impl Pool {
    /// Sets what is at `path`, such as `spec/scaling/maxReplicas`; parents are made. Null removes.
    pub fn with(mut self, path: &str, value: impl Into<Value>) -> Self {
        let (parents, last) = path.rsplit_once('/').unwrap_or(("", path));
        let mut place = &mut self.0;
        for part in parents.split('/').filter(|part| !part.is_empty()) {
            place = match part.parse::<usize>() {
                Ok(index) => &mut place[index],
                Err(_) => &mut place[part],
            };
        }
        match value.into() {
            Value::Null => drop(place.as_object_mut().unwrap().remove(last)),
            value => place[last] = value,
        }
        self
    }

    pub fn on_queue(self, queue: &str) -> Self {
        self.with("spec/broker/rabbitmq/queues", json!([queue]))
    }

    /// Tasks one worker holds.
    pub fn holding(self, tasks: u32) -> Self {
        self.with("spec/prefetch", json!({ "fixed": tasks }))
    }

    pub fn scaling(self, field: &str, value: impl Into<Value>) -> Self {
        self.with(&format!("spec/scaling/{field}"), value)
    }

    pub fn container(self, field: &str, value: impl Into<Value>) -> Self {
        self.with(&format!("spec/worker/template/spec/containers/0/{field}"), value)
    }

    pub fn image(self, image: &str) -> Self {
        self.container("image", image)
    }

    /// Somebody else's Deployment instead of a template.
    pub fn targeting(self, deployment: &str) -> Self {
        self.with(
            "spec/worker",
            json!({ "targetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": deployment } }),
        )
    }

    pub fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().unwrap()
    }
}
