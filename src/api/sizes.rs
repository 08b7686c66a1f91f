//! What of a pod's spec tells how large a worker is.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::Deserialize;

use super::quantity;

/// The containers of a worker that run beside each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "PodSpec")]
pub struct Sizes {
    /// As the spec lists them.
    pub containers: Box<[Size]>,
    /// Native sidecars: init containers that are always restarted.
    pub sidecars: Box<[Size]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    pub container: Box<str>,
    /// The memory limit, bytes; `None` = without one, or not to be understood.
    pub memory: Option<u64>,
}

impl Sizes {
    pub fn new(containers: Option<Vec<Container>>, init_containers: Option<Vec<Container>>) -> Self {
        let sidecars = init_containers.into_iter().flatten();
        let sidecars = sidecars.filter(|init| init.restart_policy.as_deref() == Some("Always"));
        Self {
            containers: containers.into_iter().flatten().map(Size::from).collect(),
            sidecars: sidecars.map(Size::from).collect(),
        }
    }

    /// Sum of all memory limits, bytes; `None` if one is missing, or nothing is known of any container.
    pub fn memory(&self) -> Option<u64> {
        let all = self.containers.iter().chain(&self.sidecars).map(|size| size.memory);
        all.sum::<Option<u64>>().filter(|_| !self.containers.is_empty())
    }
}

/// A container as the API server writes it; what is not named here is not even decoded.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    name: Option<Box<str>>,
    restart_policy: Option<String>,
    resources: Option<Resources>,
}

#[derive(Debug, Deserialize)]
struct Resources {
    limits: Option<Limits>,
}

#[derive(Debug, Deserialize)]
struct Limits {
    memory: Option<Quantity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodSpec {
    containers: Option<Vec<Container>>,
    init_containers: Option<Vec<Container>>,
}

impl From<PodSpec> for Sizes {
    fn from(spec: PodSpec) -> Self {
        Self::new(spec.containers, spec.init_containers)
    }
}

impl From<Container> for Size {
    fn from(container: Container) -> Self {
        let limit = container.resources.and_then(|resources| resources.limits?.memory);
        Self {
            container: container.name.unwrap_or_default(),
            memory: limit.and_then(|Quantity(limit)| quantity::parse(&limit).ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_worker_is_as_large_as_all_that_runs_at_once() {
        let sizes = |spec| serde_json::from_value::<Sizes>(spec).unwrap();
        let limit = json!({"limits": {"memory": "1Gi", "cpu": "1"}});
        let spec = json!({"containers": [{"name": "agent", "env": [{"name": "A"}], "resources": limit}],
            "initContainers": [{"name": "proxy", "restartPolicy": "Always", "resources": limit}, {"name": "setup"}]});
        let both = sizes(spec.clone());
        assert_eq!(both.memory(), Some(2 << 30));
        assert_eq!(*both.containers, [Size { container: "agent".into(), memory: Some(1 << 30) }]);
        let mut unlimited = spec;
        unlimited["initContainers"][0]["resources"] = json!({});
        assert_eq!(sizes(unlimited).memory(), None);
        assert_eq!(sizes(json!({})).memory(), None);
    }
}
