//! Small pods for the unit tests.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::{Value, json};

use super::fields::Facts;

pub fn facts() -> Facts {
    Facts {
        pod_ip: "127.64.0.7".into(),
        host_ip: "127.0.0.1".into(),
        node_name: "node-1".into(),
        allocatable: [("cpu".to_owned(), Quantity("8".into()))].into(),
    }
}

pub fn pod() -> Pod {
    pod_with(json!({}))
}

/// A pod of one container, with these members of `spec` set or replaced.
pub fn pod_with(changes: Value) -> Pod {
    let mut pod = json!({
        "metadata": {
            "name": "worker-1", "namespace": "shop", "uid": "uid-1",
            "labels": {"app": "worker", "pool": "blue"},
            "annotations": {"example.com/note": "say \"hi\""},
        },
        "spec": {
            "serviceAccountName": "default",
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "containers": [{
                "name": "main", "image": "worker",
                "resources": {"limits": {"memory": "256Mi"}, "requests": {"cpu": "100m"}},
            }],
        },
    });
    if let (Some(spec), Value::Object(changes)) = (pod["spec"].as_object_mut(), changes) {
        spec.extend(changes);
    }
    serde_json::from_value(pod).unwrap()
}
