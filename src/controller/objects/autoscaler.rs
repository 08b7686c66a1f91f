//! An autoscaler that may be at a pool's Deployment.

use k8s_openapi::api::autoscaling::v2;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Kept, Named, Wire};

#[derive(Clone, Debug)]
pub struct Autoscaler {
    pub name: Box<str>,
    /// The Deployment it scales, if it is one.
    pub deployment: Option<Box<str>>,
    /// The ScaledObject of KEDA that it was made from.
    pub scaled_object: Option<Box<str>>,
}

impl Named for Autoscaler {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Kept for Autoscaler {
    type Kind = v2::HorizontalPodAutoscaler;
    type Spec = Spec;
    type Status = IgnoredAny;
    type Data = IgnoredAny;

    fn keep(Wire { mut metadata, spec, .. }: Wire<Self>) -> Self {
        let target = spec.and_then(|spec| spec.scale_target_ref).filter(|target| target.kind == "Deployment");
        Self {
            scaled_object: metadata.label("scaledobject.keda.sh/name"),
            deployment: target.map(|target| target.name),
            name: metadata.name,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    scale_target_ref: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: String,
    name: Box<str>,
}
