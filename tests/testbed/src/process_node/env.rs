//! The environment of a container.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVar, EnvVarSource, Pod};

use super::expand::expand;
use super::fields::{self, Facts};
use super::mounts::Mounts;
use super::objects::{Blocked, Found, Kind, Reference};

pub type Variables = BTreeMap<String, String>;

/// The Secrets and `ConfigMaps` that the container's variables come from.
pub fn references(container: &Container) -> Vec<Reference> {
    let from = container.env_from.iter().flatten().filter_map(|source| {
        let secret = source.secret_ref.as_ref().map(|secret| Reference::new(Kind::Secret, &secret.name));
        secret.or_else(|| source.config_map_ref.as_ref().map(|map| Reference::new(Kind::ConfigMap, &map.name)))
    });
    let single = container.env.iter().flatten().filter_map(|variable| {
        let source = variable.value_from.as_ref()?;
        let secret = source.secret_key_ref.as_ref().map(|key| Reference::new(Kind::Secret, &key.name));
        secret.or_else(|| source.config_map_key_ref.as_ref().map(|key| Reference::new(Kind::ConfigMap, &key.name)))
    });
    from.chain(single).collect()
}

/// All variables in the order Kubernetes gives them: `service`, then `envFrom`, then `env`; a later one wins, and
/// may refer to earlier ones.
pub fn variables(
    pod: &Pod,
    container: &Container,
    facts: &Facts,
    found: &Found,
    mounts: &Mounts,
    service: &Variables,
) -> Result<Variables, Blocked> {
    let mut variables = service.clone();
    for source in container.env_from.iter().flatten() {
        let (reference, optional) = match (&source.secret_ref, &source.config_map_ref) {
            (Some(secret), _) => (Reference::new(Kind::Secret, &secret.name), secret.optional),
            (_, Some(map)) => (Reference::new(Kind::ConfigMap, &map.name), map.optional),
            _ => continue,
        };
        let prefix = source.prefix.as_deref().unwrap_or_default();
        for (key, value) in found.object(&reference, optional.unwrap_or_default())?.into_iter().flatten() {
            let value = String::from_utf8_lossy(value);
            variables.insert(format!("{prefix}{key}"), mounts.rewrite(&value));
        }
    }
    for variable in container.env.iter().flatten() {
        let value = match &variable.value_from {
            Some(source) => from_source(pod, container, facts, found, variable, source)?,
            None => Some(expand(variable.value.as_deref().unwrap_or_default(), &variables)),
        };
        if let Some(value) = value {
            variables.insert(variable.name.clone(), mounts.rewrite(&value));
        }
    }
    Ok(variables)
}

/// The value of a `valueFrom`; nothing when it is optional and missing.
fn from_source(
    pod: &Pod,
    container: &Container,
    facts: &Facts,
    found: &Found,
    variable: &EnvVar,
    source: &EnvVarSource,
) -> Result<Option<String>, Blocked> {
    if let Some(selector) = &source.secret_key_ref {
        let reference = Reference::new(Kind::Secret, &selector.name);
        return found.text(&reference, &selector.key, selector.optional.unwrap_or_default());
    }
    if let Some(selector) = &source.config_map_key_ref {
        let reference = Reference::new(Kind::ConfigMap, &selector.name);
        return found.text(&reference, &selector.key, selector.optional.unwrap_or_default());
    }
    let value = match (&source.field_ref, &source.resource_field_ref) {
        (Some(selector), _) => fields::field(pod, facts, &selector.field_path),
        (_, Some(selector)) => fields::resource(pod, Some(container), facts, selector),
        _ => None,
    };
    value.map(Some).ok_or_else(|| {
        Blocked::config(format!("the process node cannot give env {} from its valueFrom", variable.name))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixtures::{facts, pod_with};
    use super::*;

    fn build(container: Value) -> Result<Variables, Blocked> {
        let mut container = container;
        container["name"] = json!("main");
        let pod = pod_with(json!({"containers": [container]}));
        let found = Found::default()
            .with(Reference::new(Kind::Secret, "login"), [("username", "ann"), ("password", "$(IP)")])
            .with(Reference::new(Kind::ConfigMap, "pool-awp"), [("prefetch", "4")]);
        let mounts = Mounts::new([("/etc/awp/broker".to_owned(), "/pod/broker".into())]);
        let service = [("KUBERNETES_SERVICE_HOST".to_owned(), "127.0.0.1".to_owned())].into();
        let container = &pod.spec.as_ref().unwrap().containers[0];
        variables(&pod, container, &facts(), &found, &mounts, &service)
    }

    #[test]
    fn values_are_expanded_in_order_and_mount_paths_rewritten() {
        let env = build(json!({"env": [
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "ADDRESS", "value": "$(IP):8080"},
            {"name": "EARLY", "value": "$(LATE)"},
            {"name": "LATE", "value": "x"},
            {"name": "API", "value": "$(KUBERNETES_SERVICE_HOST)"},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}},
            {"name": "DIR", "value": "/etc/awp/broker"},
            {"name": "FILE", "value": "$(DIR)/username"},
            {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"containerName": "main", "resource": "limits.cpu"}}},
            {"name": "EMPTY"},
        ]}))
        .unwrap();
        for (name, value) in [
            ("IP", "127.64.0.7"),
            ("ADDRESS", "127.64.0.7:8080"),
            ("EARLY", "$(LATE)"),
            ("API", "127.0.0.1"),
            ("PASSWORD", "$(IP)"),
            ("DIR", "/pod/broker"),
            ("FILE", "/pod/broker/username"),
            ("MEMORY", "8"),
            ("EMPTY", ""),
        ] {
            assert_eq!(env.get(name).map(String::as_str), Some(value), "{name}");
        }
    }

    #[test]
    fn env_from_takes_every_key_with_its_prefix_and_env_wins() {
        let env = build(json!({
            "envFrom": [{"secretRef": {"name": "login"}, "prefix": "BROKER_"}, {"configMapRef": {"name": "pool-awp"}}],
            "env": [{"name": "BROKER_username", "value": "bob"}],
        }))
        .unwrap();
        assert_eq!(env["BROKER_username"], "bob");
        assert_eq!(env["BROKER_password"], "$(IP)");
        assert_eq!(env["prefetch"], "4");
    }

    #[test]
    fn what_is_missing_blocks_unless_it_is_optional() {
        let secret = |name: &str, key: &str, optional: bool| {
            build(json!({"env": [{"name": "X", "valueFrom":
                {"secretKeyRef": {"name": name, "key": key, "optional": optional}}}]}))
        };
        let blocked = secret("nowhere", "password", false).unwrap_err();
        assert_eq!(blocked.reason, "CreateContainerConfigError");
        assert_eq!(blocked.message, "secret \"nowhere\" not found");
        assert_eq!(secret("login", "pin", false).unwrap_err().message, "couldn't find key pin in secret \"login\"");
        assert!(!secret("nowhere", "password", true).unwrap().contains_key("X"));
        assert!(!secret("login", "pin", true).unwrap().contains_key("X"));
        let from = |optional: bool| build(json!({"envFrom": [{"configMapRef": {"name": "no", "optional": optional}}]}));
        assert_eq!(from(false).unwrap_err().message, "configmap \"no\" not found");
        assert!(from(true).is_ok());
    }

    #[test]
    fn every_source_is_named_before_it_is_read() {
        let pod = pod_with(json!({"containers": [{
            "name": "main",
            "envFrom": [{"secretRef": {"name": "a"}}, {"configMapRef": {"name": "b"}}],
            "env": [
                {"name": "C", "valueFrom": {"secretKeyRef": {"name": "c", "key": "k"}}},
                {"name": "D", "valueFrom": {"configMapKeyRef": {"name": "d", "key": "k"}}},
                {"name": "E", "value": "e"},
            ],
        }]}));
        let names: Vec<_> = references(&pod.spec.unwrap().containers[0]).into_iter().map(|r| r.name).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
    }
}
