//! The downward API: what a pod may learn about itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use k8s_openapi::api::core::v1::{Container, Pod, ResourceFieldSelector};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::quantity;

/// What the node knows about a pod beside its object.
#[derive(Clone, Debug)]
pub struct Facts {
    pub pod_ip: String,
    pub host_ip: String,
    pub node_name: String,
    /// Stands for limits a container does not set, as on a real node.
    pub allocatable: BTreeMap<String, Quantity>,
}

/// The value of a `fieldRef`; nothing for a path the downward API does not have.
pub fn field(pod: &Pod, facts: &Facts, path: &str) -> Option<String> {
    let meta = &pod.metadata;
    let spec = pod.spec.as_ref();
    if let Some((map, key)) = subscript(path) {
        let map = match map {
            "metadata.labels" => meta.labels.as_ref(),
            "metadata.annotations" => meta.annotations.as_ref(),
            _ => return None,
        };
        return Some(map.and_then(|map| map.get(key)).cloned().unwrap_or_default());
    }
    let value = match path {
        "metadata.name" => meta.name.clone(),
        "metadata.namespace" => meta.namespace.clone(),
        "metadata.uid" => meta.uid.clone(),
        "metadata.labels" => Some(listed(meta.labels.as_ref())),
        "metadata.annotations" => Some(listed(meta.annotations.as_ref())),
        "status.podIP" | "status.podIPs" => Some(facts.pod_ip.clone()),
        "status.hostIP" | "status.hostIPs" => Some(facts.host_ip.clone()),
        "spec.nodeName" => Some(facts.node_name.clone()),
        "spec.serviceAccountName" => spec.and_then(|spec| spec.service_account_name.clone()),
        _ => return None,
    };
    Some(value.unwrap_or_default())
}

/// `metadata.labels['x']` → (`metadata.labels`, `x`).
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (map, rest) = path.split_once("['")?;
    Some((map, rest.strip_suffix("']")?))
}

/// One `key="value"` per line, as the downward API writes a whole map into a file.
fn listed(map: Option<&BTreeMap<String, String>>) -> String {
    let mut text = String::new();
    for (key, value) in map.into_iter().flatten() {
        let _ = writeln!(text, "{key}={value:?}");
    }
    text.trim_end().to_owned()
}

/// The value of a `resourceFieldRef` of this container, or of the one it names.
pub fn resource(
    pod: &Pod,
    container: Option<&Container>,
    facts: &Facts,
    selector: &ResourceFieldSelector,
) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    let container = match &selector.container_name {
        Some(name) => spec.containers.iter().chain(spec.init_containers.iter().flatten()).find(|c| &c.name == name),
        None => container,
    }?;
    let (kind, resource) = selector.resource.split_once('.')?;
    let resources = container.resources.as_ref();
    let limits = resources.and_then(|resources| resources.limits.as_ref());
    let amount = match kind {
        "limits" => limits.and_then(|limits| limits.get(resource)).or_else(|| facts.allocatable.get(resource)).cloned(),
        "requests" => {
            let requests = resources.and_then(|resources| resources.requests.as_ref());
            Some(requests.and_then(|requests| requests.get(resource)).cloned().unwrap_or(Quantity("0".into())))
        }
        _ => None,
    }?;
    let divisor = selector.divisor.clone().filter(|divisor| divisor.0 != "0").unwrap_or(Quantity("1".into()));
    quantity::in_units_of(&amount, &divisor)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{facts, pod};
    use super::*;

    #[test]
    fn a_pod_learns_its_fields() {
        let pod = pod();
        for (path, value) in [
            ("metadata.name", "worker-1"),
            ("metadata.namespace", "shop"),
            ("metadata.uid", "uid-1"),
            ("metadata.labels['app']", "worker"),
            ("metadata.labels['missing']", ""),
            ("metadata.annotations['example.com/note']", "say \"hi\""),
            ("metadata.annotations", "example.com/note=\"say \\\"hi\\\"\""),
            ("metadata.labels", "app=\"worker\"\npool=\"blue\""),
            ("status.podIP", "127.64.0.7"),
            ("status.hostIP", "127.0.0.1"),
            ("spec.nodeName", "node-1"),
            ("spec.serviceAccountName", "default"),
        ] {
            assert_eq!(field(&pod, &facts(), path).as_deref(), Some(value), "{path}");
        }
        assert_eq!(field(&pod, &facts(), "spec.hostname"), None);
        assert_eq!(field(&pod, &facts(), "spec.nodeSelector['x']"), None);
    }

    #[test]
    fn resources_come_from_the_container_or_from_the_node() {
        let pod = pod();
        let container = pod.spec.as_ref().and_then(|spec| spec.containers.first());
        for (resource_name, divisor, value) in [
            ("limits.memory", None, Some("268435456")),
            ("limits.memory", Some("1Mi"), Some("256")),
            ("limits.cpu", None, Some("8")),
            ("requests.cpu", Some("1m"), Some("100")),
            ("requests.memory", None, Some("0")),
            ("limits.gpu", None, None),
        ] {
            let selector = ResourceFieldSelector {
                container_name: None,
                divisor: divisor.map(|divisor| Quantity(divisor.into())),
                resource: resource_name.into(),
            };
            assert_eq!(resource(&pod, container, &facts(), &selector).as_deref(), value, "{resource_name}");
        }
    }
}
