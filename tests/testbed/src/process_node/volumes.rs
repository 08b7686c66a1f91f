//! What the volumes of a pod contain.

use std::collections::BTreeMap;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, KeyToPath, Pod, Volume};

use super::fields::{self, Facts};
use super::objects::{Blocked, Found, Kind, Reference};

/// A file of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub content: Vec<u8>,
    pub mode: u32,
}

/// Files by their path inside the volume.
pub type Payload = BTreeMap<String, File>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A folder of the pod that its containers fill.
    Empty,
    /// A folder of this machine.
    Host(PathBuf),
    /// Files that the node keeps up to date.
    Files(Payload),
}

/// A ServiceAccount token that a projected volume asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenKind {
    pub audience: Option<String>,
    pub expiration_seconds: i64,
}

pub type Tokens = BTreeMap<TokenKind, String>;

/// An hour, Kubernetes' own default for projected tokens.
const DEFAULT_TOKEN_SECONDS: i64 = 3600;
const DEFAULT_MODE: i32 = 0o644;

/// One part of a volume: a plain `secret` volume is a projected one with a single part.
enum Part<'a> {
    Object { reference: Reference, items: Option<&'a Vec<KeyToPath>>, optional: bool },
    Downward(&'a [DownwardAPIVolumeFile]),
    Token { path: &'a str, kind: TokenKind },
}

/// The parts of a volume of files with the mode of files that name none.
fn parts(volume: &Volume) -> Option<(Vec<Part<'_>>, i32)> {
    if let Some(secret) = &volume.secret {
        let part = Part::Object {
            reference: Reference::new(Kind::Secret, secret.secret_name.as_deref().unwrap_or_default()),
            items: secret.items.as_ref(),
            optional: secret.optional.unwrap_or_default(),
        };
        return Some((vec![part], secret.default_mode.unwrap_or(DEFAULT_MODE)));
    }
    if let Some(map) = &volume.config_map {
        let part = Part::Object {
            reference: Reference::new(Kind::ConfigMap, &map.name),
            items: map.items.as_ref(),
            optional: map.optional.unwrap_or_default(),
        };
        return Some((vec![part], map.default_mode.unwrap_or(DEFAULT_MODE)));
    }
    if let Some(downward) = &volume.downward_api {
        let part = Part::Downward(downward.items.as_deref().unwrap_or_default());
        return Some((vec![part], downward.default_mode.unwrap_or(DEFAULT_MODE)));
    }
    let projected = volume.projected.as_ref()?;
    let mut parts = Vec::new();
    for source in projected.sources.iter().flatten() {
        if let Some(secret) = &source.secret {
            let reference = Reference::new(Kind::Secret, &secret.name);
            parts.push(Part::Object {
                reference,
                items: secret.items.as_ref(),
                optional: secret.optional.unwrap_or_default(),
            });
        }
        if let Some(map) = &source.config_map {
            let reference = Reference::new(Kind::ConfigMap, &map.name);
            parts.push(Part::Object {
                reference,
                items: map.items.as_ref(),
                optional: map.optional.unwrap_or_default(),
            });
        }
        if let Some(downward) = &source.downward_api {
            parts.push(Part::Downward(downward.items.as_deref().unwrap_or_default()));
        }
        if let Some(token) = &source.service_account_token {
            let kind = TokenKind {
                audience: token.audience.clone(),
                expiration_seconds: token.expiration_seconds.unwrap_or(DEFAULT_TOKEN_SECONDS),
            };
            parts.push(Part::Token { path: &token.path, kind });
        }
    }
    Some((parts, projected.default_mode.unwrap_or(DEFAULT_MODE)))
}

fn volumes(pod: &Pod) -> impl Iterator<Item = &Volume> {
    pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten())
}

/// The Secrets and `ConfigMaps` that the pod's volumes show.
pub fn references(pod: &Pod) -> Vec<Reference> {
    let parts = volumes(pod).filter_map(parts).flat_map(|(parts, _)| parts);
    parts.filter_map(|part| if let Part::Object { reference, .. } = part { Some(reference) } else { None }).collect()
}

/// The tokens that the pod's volumes show.
pub fn tokens(pod: &Pod) -> Vec<TokenKind> {
    let parts = volumes(pod).filter_map(parts).flat_map(|(parts, _)| parts);
    parts.filter_map(|part| if let Part::Token { kind, .. } = part { Some(kind) } else { None }).collect()
}

/// What a volume contains now.
pub fn content(pod: &Pod, volume: &Volume, facts: &Facts, found: &Found, tokens: &Tokens) -> Result<Content, Blocked> {
    if volume.empty_dir.is_some() {
        return Ok(Content::Empty);
    }
    if let Some(host) = &volume.host_path {
        return Ok(Content::Host(host.path.clone().into()));
    }
    let Some((parts, default_mode)) = parts(volume) else {
        return Err(unmounted(volume, "the process node has no volumes of this kind"));
    };
    let mut payload = Payload::new();
    for part in parts {
        let files = match part {
            Part::Object { reference, items, optional } => {
                object_files(found, &reference, items, optional, default_mode)
            }
            Part::Downward(items) => downward_files(pod, facts, items, default_mode),
            Part::Token { path, kind } => match tokens.get(&kind) {
                Some(token) => Ok([(path.to_owned(), file(token.as_bytes(), default_mode))].into()),
                None => Err("its token was not issued yet".to_owned()),
            },
        };
        payload.extend(files.map_err(|why| unmounted(volume, &why))?);
    }
    Ok(Content::Files(payload))
}

fn object_files(
    found: &Found,
    reference: &Reference,
    items: Option<&Vec<KeyToPath>>,
    optional: bool,
    mode: i32,
) -> Result<Payload, String> {
    let Some(data) = found.object(reference, optional).map_err(|missing| missing.message)? else {
        return Ok(Payload::new());
    };
    let Some(items) = items else {
        return Ok(data.iter().map(|(key, value)| (key.clone(), file(value, mode))).collect());
    };
    let mut payload = Payload::new();
    for item in items {
        match data.get(&item.key) {
            Some(value) => drop(payload.insert(item.path.clone(), file(value, item.mode.unwrap_or(mode)))),
            None if optional => {}
            None => return Err(format!("{reference} has no key {}", item.key)),
        }
    }
    Ok(payload)
}

fn downward_files(pod: &Pod, facts: &Facts, items: &[DownwardAPIVolumeFile], mode: i32) -> Result<Payload, String> {
    let files = items.iter().map(|item| {
        let value = match (&item.field_ref, &item.resource_field_ref) {
            (Some(selector), _) => fields::field(pod, facts, &selector.field_path),
            (_, Some(selector)) => fields::resource(pod, None, facts, selector),
            _ => None,
        };
        let value = value.ok_or_else(|| format!("the process node cannot give the value of {}", item.path))?;
        Ok((item.path.clone(), file(value.as_bytes(), item.mode.unwrap_or(mode))))
    });
    files.collect()
}

/// Group and others get nothing: on a shared machine a Secret's file is its owner's alone.
fn file(content: &[u8], mode: i32) -> File {
    File { content: content.to_vec(), mode: mode as u32 & 0o700 }
}

/// A real kubelet leaves such a pod in `ContainerCreating`, and says why in an event.
fn unmounted(volume: &Volume, why: &str) -> Blocked {
    Blocked { reason: "ContainerCreating", message: format!("volume {:?} cannot be mounted: {why}", volume.name) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixtures::{facts, pod_with};
    use super::*;

    fn found() -> Found {
        Found::default()
            .with(Reference::new(Kind::Secret, "login"), [("username", "ann"), ("password", "hunter2")])
            .with(Reference::new(Kind::ConfigMap, "keys"), [("current", "k1")])
    }

    fn mounted(volume: Value) -> Result<Content, Blocked> {
        let mut volume = volume;
        volume["name"] = json!("v");
        let pod = pod_with(json!({"volumes": [volume]}));
        let tokens = [(TokenKind { audience: None, expiration_seconds: 3600 }, "jwt".to_owned())].into();
        content(&pod, volumes(&pod).next().unwrap(), &facts(), &found(), &tokens)
    }

    fn files(volume: Value) -> Vec<(String, String, u32)> {
        let Content::Files(payload) = mounted(volume).unwrap() else { panic!("not a volume of files") };
        payload.into_iter().map(|(path, file)| (path, String::from_utf8(file.content).unwrap(), file.mode)).collect()
    }

    fn entry(path: &str, content: &str, mode: u32) -> (String, String, u32) {
        (path.to_owned(), content.to_owned(), mode)
    }

    #[test]
    fn a_secret_is_a_folder_of_private_files() {
        let all = files(json!({"secret": {"secretName": "login", "defaultMode": 0o644}}));
        assert_eq!(all, [entry("password", "hunter2", 0o600), entry("username", "ann", 0o600)]);
    }

    #[test]
    fn items_choose_and_rename_keys() {
        let chosen = files(json!({"secret": {"secretName": "login", "items": [
            {"key": "password", "path": "broker/pass", "mode": 0o444}]}}));
        assert_eq!(chosen, [entry("broker/pass", "hunter2", 0o400)]);
    }

    #[test]
    fn a_projected_volume_shows_all_its_sources() {
        let all = files(json!({"projected": {"sources": [
            {"secret": {"name": "login", "items": [{"key": "username", "path": "user"}]}},
            {"configMap": {"name": "keys"}},
            {"configMap": {"name": "nowhere", "optional": true}},
            {"downwardAPI": {"items": [
                {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}},
                {"path": "memory", "resourceFieldRef": {"containerName": "main", "resource": "limits.memory"}}]}},
            {"serviceAccountToken": {"path": "token"}},
        ]}}));
        let names: Vec<_> = all.iter().map(|(path, content, _)| (path.as_str(), content.as_str())).collect();
        assert_eq!(
            names,
            [("current", "k1"), ("memory", "268435456"), ("namespace", "shop"), ("token", "jwt"), ("user", "ann")]
        );
    }

    #[test]
    fn what_is_missing_holds_the_pod_unless_it_is_optional() {
        let secret = |name: &str, key: &str, optional: bool| {
            mounted(json!({"secret": {
                "secretName": name, "optional": optional, "items": [{"key": key, "path": "x"}]}}))
        };
        let held = secret("nowhere", "password", false).unwrap_err();
        assert_eq!(held.reason, "ContainerCreating");
        assert_eq!(held.message, "volume \"v\" cannot be mounted: secret \"nowhere\" not found");
        assert!(secret("login", "pin", false).unwrap_err().message.contains("has no key pin"));
        assert_eq!(secret("nowhere", "password", true), Ok(Content::Files(Payload::new())));
        assert_eq!(secret("login", "pin", true), Ok(Content::Files(Payload::new())));
    }

    #[test]
    fn other_kinds_are_empty_host_or_refused() {
        assert_eq!(mounted(json!({"emptyDir": {}})), Ok(Content::Empty));
        assert_eq!(mounted(json!({"hostPath": {"path": "/data"}})), Ok(Content::Host("/data".into())));
        let refused = mounted(json!({"persistentVolumeClaim": {"claimName": "c"}})).unwrap_err();
        assert!(refused.message.contains("no volumes of this kind"));
    }

    #[test]
    fn references_and_tokens_of_all_volumes_are_named() {
        let pod = pod_with(json!({"volumes": [
            {"name": "a", "secret": {"secretName": "s"}},
            {"name": "b", "projected": {"sources": [{"configMap": {"name": "c"}}, {"serviceAccountToken":
                {"path": "token", "audience": "broker", "expirationSeconds": 600}}]}},
            {"name": "d", "emptyDir": {}},
        ]}));
        assert_eq!(references(&pod), [Reference::new(Kind::Secret, "s"), Reference::new(Kind::ConfigMap, "c")]);
        assert_eq!(tokens(&pod), [TokenKind { audience: Some("broker".into()), expiration_seconds: 600 }]);
    }
}
