//! The schema of `spec.worker.template`: Kubernetes' own pod template, made small and mergeable.
//!
//! * No descriptions: with them the CRD is larger than what plain `kubectl apply` can annotate.
//!   `kubectl explain deployment.spec.template` has them all.
//! * List types and map keys as in Kubernetes: without them server-side apply takes every list as
//!   one value, and two managers cannot share `env`.
//! * Bounds where a rule walks over something: the API server calculates the cost of every rule
//!   for the largest object the schema allows, and refuses a CRD whose rules could cost too much.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::rules;

/// Lists of objects that are merged by key, wherever a property of that name is.
const LIST_KEYS: [(&str, &[&str]); 13] = [
    ("claims", &["name"]),
    ("containers", &["name"]),
    ("env", &["name"]),
    ("hostAliases", &["ip"]),
    ("imagePullSecrets", &["name"]),
    ("initContainers", &["name"]),
    ("ports", &["containerPort", "protocol"]),
    ("resourceClaims", &["name"]),
    ("schedulingGates", &["name"]),
    ("topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("volumeDevices", &["devicePath"]),
    ("volumeMounts", &["mountPath"]),
    ("volumes", &["name"]),
];

/// Objects that are replaced as a whole, wherever a property of that name is.
const ATOMIC_OBJECTS: [&str; 9] = [
    "configMapKeyRef",
    "dataSource",
    "fieldRef",
    "labelSelector",
    "namespaceSelector",
    "nodeSelector",
    "requiredDuringSchedulingIgnoredDuringExecution",
    "resourceFieldRef",
    "secretKeyRef",
];

const CONTAINERS: u64 = 16;
const VARIABLES: u64 = 128;
const VOLUMES: u64 = 128;
const MOUNTS: u64 = 128;
/// Longest name of a container or volume (a DNS label).
const LABEL: u64 = 63;
/// Longest name of an environment variable that is accepted here.
const VARIABLE: u64 = 256;
const PATH: u64 = 1024;
const LABELS: u64 = 64;

/// For `#[schemars(schema_with = …)]`.
pub fn schema(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<PodTemplateSpec>().to_value();
    strip(&mut schema);
    shape(&mut schema);
    Schema::try_from(schema).unwrap_or_default()
}

/// Removes descriptions and adds merge strategies, all the way down.
fn strip(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    object.remove("description");
    for nested in ["items", "additionalProperties"] {
        if let Some(nested) = object.get_mut(nested) {
            strip(nested);
        }
    }
    let Some(Value::Object(properties)) = object.get_mut("properties") else { return };
    // Pods get them later, by a subresource; a template with them is refused by Kubernetes.
    properties.remove("ephemeralContainers");
    for (name, property) in properties {
        strip(property);
        merge_strategy(name, property);
    }
}

fn merge_strategy(name: &str, property: &mut Value) {
    let Some(property) = property.as_object_mut() else { return };
    let is_list_of_objects = property.get("items").is_some_and(|items| items["type"] == "object");
    if let Some((_, keys)) = LIST_KEYS.iter().find(|(list, _)| *list == name).filter(|_| is_list_of_objects) {
        property.insert("x-kubernetes-list-type".into(), "map".into());
        property.insert("x-kubernetes-list-map-keys".into(), json!(keys));
    }
    if property.get("type").is_some_and(|kind| kind == "object") && ATOMIC_OBJECTS.contains(&name) {
        property.insert("x-kubernetes-map-type".into(), "atomic".into());
    }
}

/// What is particular to a template of ours: required parts, bounds, rules.
fn shape(template: &mut Value) {
    set(template, "", json!({ "required": ["spec"], "x-kubernetes-validations": rules::pod_template() }));
    let texts = json!({ "type": "object", "additionalProperties": { "type": "string" }, "maxProperties": LABELS });
    template["properties"]["metadata"] = json!({
        "type": "object",
        "properties": {
            "annotations": texts,
            "labels": texts,
            // Always null; `kubectl create --dry-run -o yaml` writes it, and people paste that.
            "creationTimestamp": { "type": "string", "format": "date-time" },
        },
    });
    set(template, "spec", json!({ "x-kubernetes-validations": rules::pod_spec() }));
    set(template, "spec.containers", json!({ "maxItems": CONTAINERS }));
    set(template, "spec.containers[]", json!({ "x-kubernetes-validations": rules::container() }));
    set(template, "spec.initContainers", json!({ "maxItems": CONTAINERS }));
    set(template, "spec.volumes", json!({ "maxItems": VOLUMES }));
    set(template, "spec.volumes[].name", json!({ "maxLength": LABEL }));
    for container in ["spec.containers[]", "spec.initContainers[]"] {
        let mut set = |path: &str, values| set(template, &format!("{container}.{path}"), values);
        set("name", json!({ "maxLength": LABEL }));
        set("env", json!({ "maxItems": VARIABLES }));
        set("env[].name", json!({ "maxLength": VARIABLE }));
        set("volumeMounts", json!({ "maxItems": MOUNTS }));
        set("volumeMounts[].mountPath", json!({ "maxLength": PATH }));
        // The one default: the API server demands it of a key that may be left out.
        set("ports[].protocol", json!({ "default": "TCP" }));
    }
}

/// Adds `values` to the schema at `path`: property names with dots, `[]` for a list's items.
/// An unknown path is left alone; a test looks that every one of the paths exists.
fn set(schema: &mut Value, path: &str, values: Value) {
    let (Some(Value::Object(target)), Value::Object(values)) = (find(schema, path), values) else { return };
    target.extend(values);
}

fn find<'a>(schema: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.').filter(|step| !step.is_empty()).try_fold(schema, |schema, step| {
        let (name, items) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
        let property = schema.get_mut("properties")?.get_mut(name)?;
        if items { property.get_mut("items") } else { Some(property) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_and_rule_finds_its_place() {
        let schema = crate::api::schema::schema().unwrap();
        let mut template = schema.pointer("/properties/spec/properties/worker/properties/template").unwrap().clone();
        for (path, keyword) in [
            ("", "x-kubernetes-validations"),
            ("spec", "x-kubernetes-validations"),
            ("spec.containers", "maxItems"),
            ("spec.containers[]", "x-kubernetes-validations"),
            ("spec.containers[].name", "maxLength"),
            ("spec.containers[].env", "maxItems"),
            ("spec.containers[].env[].name", "maxLength"),
            ("spec.containers[].volumeMounts", "maxItems"),
            ("spec.containers[].volumeMounts[].mountPath", "maxLength"),
            ("spec.containers[].ports[].protocol", "default"),
            ("spec.initContainers", "maxItems"),
            ("spec.initContainers[].env", "maxItems"),
            ("spec.initContainers[].ports[].protocol", "default"),
            ("spec.volumes", "maxItems"),
            ("spec.volumes[].name", "maxLength"),
        ] {
            assert!(find(&mut template, path).unwrap().get(keyword).is_some(), "{keyword} at {path:?}");
        }
    }

    #[test]
    fn lists_are_merged_by_the_keys_of_kubernetes() {
        let schema = crate::api::schema::schema().unwrap();
        let mut template = schema.pointer("/properties/spec/properties/worker/properties/template").unwrap().clone();
        for (path, keys) in [
            ("spec.containers", json!(["name"])),
            ("spec.containers[].env", json!(["name"])),
            ("spec.containers[].ports", json!(["containerPort", "protocol"])),
            ("spec.containers[].volumeMounts", json!(["mountPath"])),
            ("spec.containers[].resources.claims", json!(["name"])),
            ("spec.initContainers", json!(["name"])),
            ("spec.imagePullSecrets", json!(["name"])),
            ("spec.topologySpreadConstraints", json!(["topologyKey", "whenUnsatisfiable"])),
            ("spec.volumes", json!(["name"])),
        ] {
            let list = find(&mut template, path).unwrap();
            assert_eq!(list["x-kubernetes-list-map-keys"], keys, "{path}");
            // A key must be there, or the API server refuses the CRD.
            for key in keys.as_array().unwrap().iter().filter_map(Value::as_str) {
                let required = list["items"]["required"].as_array().is_some_and(|all| all.contains(&json!(key)));
                assert!(required || list["items"]["properties"][key].get("default").is_some(), "{path}: {key}");
            }
        }
    }
}
