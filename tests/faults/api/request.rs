//! What is asked of the API server.

use axum::http::{Method, request};
use serde_json::Value;

use super::store::Kind;

#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub kind: Kind,
    pub verb: Verb,
    /// Empty for lists and watches.
    pub name: String,
    pub sub: Sub,
    pub selector: Selector,
    /// Only metadata is wanted.
    pub slim: bool,
    pub body: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Get,
    List,
    Watch { version: u64, seconds: u64 },
    Create,
    Apply,
    Merge,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sub {
    None,
    Status,
    Scale,
}

/// The selectors the controller uses: a label that exists, one that has a value, one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    label: Option<(String, Option<String>)>,
    name: Option<String>,
}

impl Selector {
    pub fn matches(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        let labelled = self.label.as_ref().is_none_or(|(key, value)| match value {
            Some(value) => metadata["labels"][key] == **value,
            None => !metadata["labels"][key].is_null(),
        });
        labelled && self.name.as_ref().is_none_or(|name| metadata["name"] == **name)
    }
}

impl Asked {
    /// `None` = not a request this server knows.
    pub fn parse(parts: &request::Parts, body: &[u8]) -> Option<Self> {
        let path: Vec<&str> = parts.uri.path().split('/').skip_while(|part| *part != "namespaces").skip(2).collect();
        let (kind, name, sub) =
            (Kind::of_plural(path.first()?)?, path.get(1).copied().unwrap_or_default(), path.get(2));
        let sub = match sub {
            None => Sub::None,
            Some(&"status") => Sub::Status,
            Some(&"scale") => Sub::Scale,
            Some(_) => return None,
        };
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let parameters = parameters(parts.uri.query().unwrap_or_default());
        let parameter = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let number = |name: &str| parameter(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        let verb = match (&parts.method, header("content-type")) {
            (&Method::GET, _) if parameter("watch") == Some("true") => {
                Verb::Watch { version: number("resourceVersion"), seconds: number("timeoutSeconds") }
            }
            (&Method::GET, _) if name.is_empty() => Verb::List,
            (&Method::GET, _) => Verb::Get,
            (&Method::POST, _) => Verb::Create,
            (&Method::PATCH, "application/apply-patch+yaml") => Verb::Apply,
            (&Method::PATCH, "application/merge-patch+json") => Verb::Merge,
            (&Method::DELETE, _) => Verb::Delete,
            _ => return None,
        };
        let label = parameter("labelSelector").filter(|text| !text.is_empty()).map(|text| match text.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (text.to_owned(), None),
        });
        let named = parameter("fieldSelector").and_then(|text| text.strip_prefix("metadata.name="));
        let selector = Selector { label, name: named.map(ToOwned::to_owned) };
        let slim = header("accept").contains("as=PartialObjectMetadata");
        // By `FromStr`, which is compiled where it is optimised.
        let body = std::str::from_utf8(body).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
        Some(Self { kind, verb, name: name.to_owned(), sub, selector, slim, body })
    }

    /// Whether it is about one of this pool's objects, all of which carry its name.
    pub fn concerns(&self, pool: &str) -> bool {
        let labelled = self.selector.label.as_ref().and_then(|(_, value)| value.as_ref());
        let named = [Some(&self.name), labelled, self.selector.name.as_ref()];
        let regarding = self.body["regarding"]["name"].as_str();
        named.into_iter().flatten().any(|name| name.contains(pool)) || regarding == Some(pool)
    }

    /// Whether the chart's Role allows it.
    pub fn allowed(&self) -> bool {
        match (self.kind, self.sub, self.verb) {
            (Kind::Event, Sub::None, verb) => matches!(verb, Verb::Create | Verb::Merge),
            (_, Sub::None, Verb::List | Verb::Watch { .. })
            | (Kind::Deployment | Kind::ConfigMap, Sub::None, Verb::Create | Verb::Apply | Verb::Merge)
            | (Kind::Deployment, Sub::None, Verb::Get)
            | (Kind::Pod, Sub::None, Verb::Merge)
            | (Kind::Deployment, Sub::Scale, Verb::Merge)
            | (Kind::Pool, Sub::Status, Verb::Apply) => true,
            _ => false,
        }
    }

    pub fn writes(&self) -> bool {
        matches!(self.verb, Verb::Create | Verb::Apply | Verb::Merge | Verb::Delete)
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verb = match self.verb {
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Watch { .. } => "watch",
            Verb::Create => "create",
            Verb::Apply => "apply",
            Verb::Merge => "merge",
            Verb::Delete => "delete",
        };
        // The names of events hold the machine's time.
        let name = if self.kind == Kind::Event { "" } else { &self.name };
        write!(f, "{verb} {} {name}", self.kind.plural())?;
        match self.sub {
            Sub::None => Ok(()),
            Sub::Status => f.write_str("/status"),
            Sub::Scale => f.write_str("/scale"),
        }
    }
}

fn parameters(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let hex: String = rest.by_ref().take(2).map(char::from).collect();
                bytes.push(u8::from_str_radix(&hex, 16).unwrap_or(b'?'));
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
