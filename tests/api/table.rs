//! The table of bad manifests.

use serde::Deserialize;
use serde_json::{Map, Value};

/// Planted wherever a secret might be pasted by mistake.
pub const PLANTED: &str = "planted-hunter2";

#[derive(Deserialize)]
pub struct Table {
    /// A good one.
    pub pool: Value,
    pub refused: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub what: String,
    with: Value,
    pub says: Vec<String>,
    /// Where server-side apply has other words.
    #[serde(rename = "serverSide")]
    server_side: Option<Vec<String>>,
    /// The message may repeat the planted secret.
    #[serde(default)]
    pub echoes: bool,
}

pub fn table() -> Table {
    serde_saphyr::from_str(include_str!("refused.yaml")).unwrap()
}

impl Table {
    /// The bad manifest of a case.
    pub fn manifest(&self, case: &Case) -> Value {
        let mut manifest = self.pool.clone();
        merge(&mut manifest, &expanded(&case.with));
        manifest
    }
}

impl Case {
    pub fn says_server_side(&self) -> &[String] {
        self.server_side.as_ref().unwrap_or(&self.says)
    }
}

/// A JSON merge patch (RFC 7386).
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let target = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), value);
        }
    }
}

/// Writes out `$repeat` and `$numbered`.
fn expanded(value: &Value) -> Value {
    let count = |list: &Value| usize::try_from(list[0].as_u64().unwrap()).unwrap();
    match value {
        Value::Object(object) => match (object.get("$repeat"), object.get("$numbered")) {
            (Some(repeat), _) => repeat[1].as_str().unwrap().repeat(count(repeat)).into(),
            (_, Some(numbered)) => (0..count(numbered)).map(|n| with_number(&numbered[1], n)).collect(),
            _ => object.iter().map(|(key, value)| (key.clone(), expanded(value))).collect::<Map<_, _>>().into(),
        },
        Value::Array(items) => items.iter().map(expanded).collect(),
        other => other.clone(),
    }
}

fn with_number(item: &Value, n: usize) -> Value {
    let mut item = item.clone();
    item["name"] = format!("{}{n}", item["name"].as_str().unwrap()).into();
    item
}
