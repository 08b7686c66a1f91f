//! The API reference, as `awp crd --docs` prints it: Markdown made from the schema, so that it
//! cannot say anything else than `kubectl explain`.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Fields below these are not ours to explain.
const FOREIGN: [&str; 4] = ["metadata", "spec.worker.template", "spec.broker.sqs", "spec.broker.kafka"];

/// The whole page.
pub fn markdown() -> serde_json::Result<String> {
    let schema = super::schema()?;
    let mut page = String::from(
        "<!-- Made by `awp crd --docs` from the schema; edit the descriptions in src/api instead. -->\n\
         # API reference: AgentWorkerPool\n\n\
         `agentworkers.io/v1alpha1`, short name `awp`, namespaced. `kubectl explain awp.spec` says the same.\n\n\
         A *duration* is a number and a unit (`h`, `m`, `s`, `ms`), up to four of them: `90s`, `25m`, `1h30m`. \
         A *quantity* is an amount of memory: `300Mi`, `2Gi`.\n",
    );
    for part in ["spec", "status"] {
        object(&mut page, part, &schema["properties"][part]);
    }
    Ok(page)
}

fn object(page: &mut String, path: &str, schema: &Value) {
    let Some(properties) = properties(schema).filter(|_| !FOREIGN.contains(&path)) else { return };
    // Writing to a string cannot fail.
    let _ = write!(page, "\n## {path}\n\n{}\n\n| field | type | |\n|---|---|---|\n", text(schema));
    for (name, property) in properties {
        let required = if is_required(schema, name) { ", required" } else { "" };
        let _ =
            writeln!(page, "| `{name}` | {}{required} | {} |", type_of(path, name, property), cell(&text(property)));
    }
    let rules = messages(schema);
    if !rules.is_empty() {
        let _ = write!(page, "\nRules, in the words of a refusal:\n\n{rules}");
    }
    for (name, property) in properties {
        object(page, &format!("{path}.{name}"), property);
    }
}

/// The properties of an object, or of the objects in a list.
fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema["properties"].as_object().or_else(|| schema["items"]["properties"].as_object())
}

fn is_required(schema: &Value, name: &str) -> bool {
    let required = schema["required"].as_array().or_else(|| schema["items"]["required"].as_array());
    required.is_some_and(|all| all.iter().any(|required| required == name))
}

fn type_of(path: &str, name: &str, schema: &Value) -> String {
    let field = format!("{path}.{name}");
    if FOREIGN.contains(&field.as_str()) {
        return if name == "template" {
            "[pod template](https://kubernetes.io/docs/concepts/workloads/pods/#pod-templates)".into()
        } else {
            "object".into()
        };
    }
    if properties(schema).is_some() {
        let anchor: String = field.chars().filter(|c| *c != '.').collect::<String>().to_lowercase();
        let kind = if schema["type"] == "array" { "list" } else { "object" };
        return format!("[{kind}](#{anchor})");
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ");
    }
    let rule = schema["x-kubernetes-validations"][0]["rule"].as_str().unwrap_or_default();
    if let Some(notation) = ["duration", "quantity"].iter().find(|notation| rule.contains(&format!("{notation}(self)")))
    {
        return (*notation).into();
    }
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("array"), _) => format!("list of {}", schema["items"]["type"].as_str().unwrap_or("objects")),
        (Some("string"), Some("date-time")) => "time".into(),
        (kind, _) => kind.unwrap_or("object").into(),
    }
}

fn text(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().to_owned()
}

fn cell(text: &str) -> String {
    text.replace("\n\n", "<br>").replace('|', "\\|")
}

/// What the rules of an object say, each with the field it is about.
fn messages(schema: &Value) -> String {
    let rules = schema["x-kubernetes-validations"].as_array();
    rules.into_iter().flatten().fold(String::new(), |mut list, rule| {
        let message = rule["message"].as_str().unwrap_or_default();
        let _ = match rule["fieldPath"].as_str() {
            Some(field) => writeln!(list, "* `{}`: {message}", field.trim_start_matches('.')),
            None => writeln!(list, "* {message}"),
        };
        list
    })
}
