//! A pool: what its user wrote, understood once when it arrives.

use std::borrow::Cow;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::error_boundary::InvalidObject;
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use serde::{Deserialize, Deserializer};

use super::Named;
use crate::api::AgentWorkerPool;
use crate::api::invalid::Invalid;
use crate::api::names::annotations;
use crate::api::parsed;

/// A pool as the API server has it: one that cannot be decoded is known by its metadata and stops nobody else.
#[derive(Clone, Debug)]
pub struct ListedPool(pub Result<Pool, InvalidObject>);

#[derive(Clone, Debug)]
pub struct Pool {
    /// Without its template, which is large and in `parsed`.
    pub object: Arc<AgentWorkerPool>,
    pub parsed: Arc<Result<parsed::Pool, Invalid>>,
}

impl Named for ListedPool {
    fn name(&self) -> &str {
        self.meta().name.as_deref().unwrap_or_default()
    }
}

impl From<AgentWorkerPool> for Pool {
    fn from(mut pool: AgentWorkerPool) -> Self {
        let parsed = Arc::new(parsed::Pool::try_from(&pool.spec));
        pool.spec.worker.template = None;
        cut(&mut pool.metadata);
        Self { object: Arc::new(pool), parsed }
    }
}

/// What `kubectl apply` leaves on an object is all of it once more, and who wrote which field is as much again.
fn cut(metadata: &mut ObjectMeta) {
    metadata.managed_fields = None;
    metadata.labels = None;
    metadata.owner_references = None;
    if let Some(all) = &mut metadata.annotations {
        all.retain(|name, _| name == annotations::RECORD);
    }
    metadata.annotations = metadata.annotations.take().filter(|left| !left.is_empty());
}

impl<'de> Deserialize<'de> for ListedPool {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let DeserializeGuard(pool) = DeserializeGuard::<AgentWorkerPool>::deserialize(deserializer)?;
        let pool = pool.map(Pool::from).map_err(|mut invalid| {
            cut(&mut invalid.metadata);
            invalid
        });
        Ok(Self(pool))
    }
}

impl Resource for ListedPool {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        AgentWorkerPool::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        AgentWorkerPool::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        AgentWorkerPool::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        AgentWorkerPool::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        match &self.0 {
            Ok(pool) => &pool.object.metadata,
            Err(invalid) => &invalid.metadata,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match &mut self.0 {
            Ok(pool) => &mut Arc::make_mut(&mut pool.object).metadata,
            Err(invalid) => &mut invalid.metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pool(spec: &Value) -> ListedPool {
        serde_json::from_value(json!({
            "apiVersion": "agentworkers.io/v1alpha1", "kind": "AgentWorkerPool",
            "metadata": {"name": "odd", "namespace": "agents", "managedFields": [{"manager": "kubectl"}]},
            "spec": spec,
        }))
        .unwrap()
    }

    #[test]
    fn a_pool_that_cannot_be_decoded_is_known_by_its_metadata() {
        let pool = pool(&json!(7));
        assert!(pool.0.is_err());
        assert_eq!(pool.name(), "odd");
    }

    #[test]
    fn a_template_is_kept_once() {
        let pool = pool(&json!({
            "broker": {"sqs": {"queueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/tasks"}},
            "worker": {"template": {"spec": {"containers": [{"name": "agent", "image": "example/agent:1",
                "resources": {"limits": {"memory": "2Gi"}}}]}}},
        }));
        let pool = pool.0.unwrap();
        assert_eq!((&pool.object.spec.worker.template, &pool.object.metadata.managed_fields), (&None, &None));
        let parsed = pool.parsed.as_ref().as_ref().unwrap();
        let parsed::Worker::Template(template) = &parsed.worker else { panic!("{parsed:?}") };
        assert_eq!(template.pod.sizes.memory(), Some(2 << 30));
        let text: Value = serde_json::from_str(&template.pod.json).unwrap();
        assert_eq!(text["spec"]["containers"][0]["image"], "example/agent:1");
    }
}
