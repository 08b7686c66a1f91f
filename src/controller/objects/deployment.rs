//! A Deployment: a pool's own, or the one it targets.

use k8s_openapi::api::apps::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Kept, Named, Wire};
use crate::api::sizes::Sizes;

#[derive(Clone, Debug)]
pub struct Deployment {
    pub name: Box<str>,
    pub uid: Box<str>,
    pub resource_version: Box<str>,
    pub generation: i64,
    /// UID of what controls it.
    pub controller: Option<Box<str>>,
    pub replicas: u32,
    /// As `kubectl get --selector` takes it.
    pub selector: Box<str>,
    /// Of the pods it makes.
    pub sizes: Sizes,
    /// The cluster's own words for why it starts no more pods.
    pub refused: Option<Box<str>>,
}

impl Named for Deployment {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Kept for Deployment {
    type Kind = v1::Deployment;
    type Spec = Spec;
    type Status = Status;
    type Data = IgnoredAny;

    fn keep(Wire { mut metadata, spec, status, .. }: Wire<Self>) -> Self {
        let spec = spec.unwrap_or_default();
        let conditions = status.and_then(|status| status.conditions).unwrap_or_default();
        let failure = conditions.into_iter().find(|one| one.r#type == "ReplicaFailure" && one.status == "True");
        Self {
            controller: metadata.controller(None),
            // Without a number it is one (apps/v1, `DeploymentSpec`).
            replicas: spec.replicas.map_or(1, |replicas| u32::try_from(replicas).unwrap_or(0)),
            selector: text(&spec.selector.unwrap_or_default()).into(),
            sizes: spec.template.and_then(|template| template.spec).unwrap_or_default(),
            refused: failure.map(|one| one.message.unwrap_or_else(|| "the ReplicaSet cannot create pods".into())),
            generation: metadata.generation,
            name: metadata.name,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
        }
    }
}

#[derive(Default, Deserialize)]
pub struct Spec {
    replicas: Option<i32>,
    selector: Option<LabelSelector>,
    template: Option<Template>,
}

#[derive(Deserialize)]
struct Template {
    spec: Option<Sizes>,
}

#[derive(Deserialize)]
pub struct Status {
    conditions: Option<Vec<Condition>>,
}

#[derive(Deserialize)]
struct Condition {
    r#type: String,
    status: String,
    message: Option<Box<str>>,
}

fn text(selector: &LabelSelector) -> String {
    let equal = selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
    let expressions = selector.match_expressions.iter().flatten().map(|expression| {
        let values = expression.values.as_deref().unwrap_or_default().join(",");
        match expression.operator.as_str() {
            "In" => format!("{} in ({values})", expression.key),
            "NotIn" => format!("{} notin ({values})", expression.key),
            "DoesNotExist" => format!("!{}", expression.key),
            _ => expression.key.clone(),
        }
    });
    equal.chain(expressions).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::controller::objects::Read;

    fn deployment(deployment: Value) -> Deployment {
        serde_json::from_value::<Read<Deployment>>(deployment).unwrap().kept
    }

    #[test]
    fn a_selector_reads_as_kubectl_takes_it() {
        let selector = json!({"matchLabels": {"app": "agent"}, "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "legacy", "operator": "DoesNotExist"}]});
        assert_eq!(&*deployment(json!({"spec": {"selector": selector}})).selector, "app=agent,tier in (a,b),!legacy");
    }

    #[test]
    fn a_deployment_is_its_number_of_workers_their_size_and_why_there_are_no_more() {
        let found = deployment(json!({
            "metadata": {"name": "d", "uid": "u", "generation": 3, "resourceVersion": "9", "ownerReferences": [
                {"apiVersion": "x/v1", "kind": "AgentWorkerPool", "name": "p", "uid": "p", "controller": true}]},
            "spec": {"replicas": 4, "template": {"spec": {"containers": [
                {"name": "agent", "resources": {"limits": {"memory": "2Gi"}}}]}}},
            "status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "quota"}]}
        }));
        assert_eq!((&*found.name, &*found.uid, &*found.resource_version, found.generation), ("d", "u", "9", 3));
        assert_eq!((found.controller.as_deref(), found.replicas), (Some("p"), 4));
        assert_eq!((found.sizes.memory(), found.refused.as_deref()), (Some(2 << 30), Some("quota")));
        assert_eq!(deployment(json!({"spec": {}})).replicas, 1);
    }
}
