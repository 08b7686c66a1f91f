//! The `CustomResourceDefinition`, as `awp crd` prints it.

mod columns;
pub mod declare_rules;
pub mod pod_template;
pub mod reference;
pub mod rules;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::spec::AgentWorkerPool;

/// Formats that the API server knows; it warns of others.
const FORMATS: [&str; 4] = ["date-time", "double", "int32", "int64"];

/// The definition to install.
pub fn crd() -> serde_json::Result<CustomResourceDefinition> {
    let mut crd = serde_json::to_value(AgentWorkerPool::crd())?;
    if let Some(schema) = crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema") {
        tidy(schema);
        root(schema);
    }
    if let Some(version) = crd.pointer_mut("/spec/versions/0") {
        version["additionalPrinterColumns"] = columns::columns();
    }
    serde_json::from_value(crd)
}

/// The schema of a pool, root object included.
pub fn schema() -> serde_json::Result<Value> {
    let versions = crd()?.spec.versions;
    let schema = versions.into_iter().next().and_then(|version| version.schema?.open_api_v3_schema);
    serde_json::to_value(schema)
}

/// Removes what kube and schemars add and Kubernetes does not want.
fn tidy(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    // kube marks every `Option` so; then nulls would be stored, and `/scale` fails on one.
    object.remove("nullable");
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if object.get("format").is_some_and(|format| !FORMATS.iter().any(|known| format == known)) {
        object.remove("format");
    }
    if let Some(Value::String(description)) = object.get_mut("description") {
        *description = unwrapped(description);
    }
    for nested in ["items", "additionalProperties"] {
        if let Some(nested) = object.get_mut(nested) {
            tidy(nested);
        }
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(tidy);
    }
}

/// Line breaks of the source are none of the reader's; empty lines are.
fn unwrapped(description: &str) -> String {
    let paragraphs =
        description.split("\n\n").map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// What kube cannot say of the root object.
fn root(schema: &mut Value) {
    schema["x-kubernetes-validations"] = json!(rules::pool());
    // A rule can see of `metadata` only what the schema names.
    schema["properties"]["metadata"] = json!({ "type": "object", "properties": { "name": { "type": "string" } } });
}

/// The schema of a duration of more than nothing.
pub fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 28, "x-kubernetes-validations": rules::duration() })
}

/// The schema of a duration that may be nothing.
pub fn duration_from_zero(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 28, "x-kubernetes-validations": rules::duration_from_zero() })
}

/// The schema of a quantity. Text only: a type of text or number shows as `<Object>` in
/// `kubectl explain`.
pub fn quantity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 32, "x-kubernetes-validations": rules::quantity() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::defaults;
    use crate::api::names::secret_keys;
    use crate::api::spec::{Isolation, Mode, OffsetReset, QueueType};

    fn walk(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
        visit(path, schema);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            walk(property, &format!("{path}.{name}"), visit);
        }
        for nested in ["items", "additionalProperties"] {
            if schema[nested].is_object() {
                walk(&schema[nested], &format!("{path}[]"), visit);
            }
        }
    }

    #[test]
    fn no_field_may_be_null_and_only_list_keys_have_a_default() {
        walk(&schema().unwrap(), "", &mut |path, schema| {
            assert!(schema.get("nullable").is_none(), "{path} is nullable");
            assert!(schema.get("default").is_none() || path.ends_with("ports[].protocol"), "{path} has a default");
        });
    }

    #[test]
    fn every_field_outside_the_template_is_described() {
        let mut undescribed = vec![];
        walk(&schema().unwrap(), "", &mut |path, schema| {
            let named = !path.is_empty() && !path.ends_with("[]") && !path.starts_with(".metadata");
            let in_template = path.starts_with(".spec.worker.template.");
            if named && !in_template && schema["description"].as_str().is_none_or(str::is_empty) {
                undescribed.push(path.to_owned());
            }
        });
        assert_eq!(undescribed, Vec::<String>::new());
    }

    #[test]
    fn the_descriptions_state_the_defaults_that_the_code_uses() {
        let schema = schema().unwrap();
        let described = |path: &str| {
            let pointer = format!("/properties/{}/description", path.replace('.', "/properties/"));
            schema.pointer(&pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{path}")).to_owned()
        };
        for (path, default) in [
            ("spec.broker.rabbitmq.credentials.secretRef.usernameKey", secret_keys::USERNAME.to_owned()),
            ("spec.broker.rabbitmq.credentials.secretRef.passwordKey", secret_keys::PASSWORD.to_owned()),
            ("spec.broker.rabbitmq.declare.type", format!("{:?}", QueueType::default())),
            ("spec.broker.sqs.credentials.secretRef.accessKeyIdKey", secret_keys::AWS_ACCESS_KEY_ID.to_owned()),
            ("spec.broker.sqs.credentials.secretRef.secretAccessKeyKey", secret_keys::AWS_SECRET_ACCESS_KEY.to_owned()),
            ("spec.broker.sqs.credentials.secretRef.sessionTokenKey", secret_keys::AWS_SESSION_TOKEN.to_owned()),
            ("spec.broker.kafka.groupType", "Consumer".to_owned()),
            ("spec.broker.kafka.offsetReset", format!("{:?}", OffsetReset::default())),
            ("spec.broker.kafka.isolation", format!("{:?}", Isolation::default())),
            ("spec.broker.kafka.sasl.secretRef.usernameKey", secret_keys::USERNAME.to_owned()),
            ("spec.broker.kafka.sasl.secretRef.passwordKey", secret_keys::PASSWORD.to_owned()),
            ("spec.drain.timeout", defaults::DRAIN_TIMEOUT.to_owned()),
            ("spec.prefetch.auto.baseMemory", defaults::BASE_MEMORY.to_owned()),
            ("spec.prefetch.auto.headroomPercent", defaults::HEADROOM_PERCENT.to_string()),
            ("spec.prefetch.auto.max", defaults::PREFETCH_MAX.to_string()),
            ("spec.prefetch.auto.min", defaults::PREFETCH_MIN.to_string()),
            ("spec.prefetch.auto.taskMemory", defaults::TASK_MEMORY.to_owned()),
            ("spec.scaling.maxReplicas", defaults::MAX_REPLICAS.to_string()),
            ("spec.scaling.minReplicas", defaults::MIN_REPLICAS.to_string()),
            ("spec.scaling.mode", format!("{:?}", Mode::default())),
            ("spec.scaling.startWithin", defaults::START_WITHIN.to_owned()),
            ("spec.scaling.taskDuration", defaults::TASK_DURATION.to_owned()),
            ("spec.scaling.warmSlots", defaults::WARM_SLOTS.to_string()),
        ] {
            let description = described(path);
            assert!(description.ends_with(&format!("Default: {default}")), "{path}: {description}");
        }
        let grace = format!("plus {}s, as terminationGracePeriodSeconds", defaults::GRACE_BEYOND_DRAIN);
        assert!(described("spec.drain.timeout").contains(&grace));
    }

    #[test]
    fn every_optional_setting_says_what_its_absence_means() {
        // Members of a one-of, and what has no meaning when absent.
        const NOT_SETTINGS: [&str; 10] = [
            ".spec.broker.kafka",
            ".spec.broker.rabbitmq",
            ".spec.broker.rabbitmq.credentials",
            ".spec.broker.rabbitmq.managementUri",
            ".spec.broker.rabbitmq.tls",
            ".spec.broker.sqs",
            ".spec.broker.sqs.assumeRoleArn",
            ".spec.prefetch.fixed",
            ".spec.worker.targetRef",
            ".spec.worker.template",
        ];
        let mut silent = vec![];
        walk(&schema().unwrap(), "", &mut |path, schema| {
            let (ours, below) = (path.starts_with(".spec"), path.starts_with(".spec.worker.template"));
            for (name, property) in schema["properties"].as_object().into_iter().flatten().filter(|_| ours && !below) {
                let required = schema["required"].as_array().is_some_and(|all| all.contains(&json!(name)));
                let says = property["description"].as_str().is_some_and(|text| text.contains("Default: "));
                let path = format!("{path}.{name}");
                let group = property["properties"].is_object();
                if !required && !says && !group && !NOT_SETTINGS.contains(&path.as_str()) {
                    silent.push(path);
                }
            }
        });
        assert_eq!(silent, Vec::<String>::new());
    }

    #[test]
    fn one_ofs_that_may_be_switched_are_replaced_as_a_whole() {
        let schema = schema().unwrap();
        let spec = &schema["properties"]["spec"]["properties"];
        assert_eq!(spec["broker"]["x-kubernetes-map-type"], "atomic");
        assert_eq!(spec["prefetch"]["x-kubernetes-map-type"], "atomic");
        // An atomic parent would void the merge keys of the template.
        assert!(spec["worker"].get("x-kubernetes-map-type").is_none());
    }

    #[test]
    fn the_definition_fits_into_the_annotation_of_kubectl_apply() {
        let size = serde_json::to_string(&crd().unwrap()).unwrap().len();
        assert!(size < 100_000, "{size} bytes of 262,144");
    }
}
