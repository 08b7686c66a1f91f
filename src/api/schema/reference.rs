//! The API reference, as `awp crd --docs` prints it: Markdown made from the schema, so that it
//! cannot say anything else than `kubectl explain`.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Fields below these are not ours to explain.
const FOREIGN: [&str; 3] = ["spec.worker.template", "spec.broker.sqs", "spec.broker.kafka"];

const PREFACE: &str = "\
<!-- Made by `awp crd --docs` from the schema; edit the descriptions in src/api instead. -->
# API reference: AgentWorkerPool

`agentworkers.io/v1alpha1`, short name `awp`, namespaced. `kubectl explain awp.spec` says the same.

A *duration* is a number and a unit (`h`, `m`, `s`, `ms`), up to four of them: `90s`, `25m`, `1h30m`.
A *quantity* is an amount of memory: `300Mi`, `2Gi`.

Good to know:

* Nothing is filled in: what `kubectl get -o yaml` shows is what was written. The one exception is `protocol: TCP` of a
  container's port; write it out, or `kubectl apply` sees a difference every time, and a GitOps tool may.
* Where exactly one of several members is asked for (`broker`, `prefetch`), the tool that wrote the one can write the
  other. `kubectl apply` without `--server-side` cannot take away what `kubectl apply --server-side` or `kubectl create`
  wrote: use `kubectl replace` there.
* `kubectl scale awp/POOL --replicas=N` writes `spec.scaling.holdReplicas`, a manual hold; `awp release POOL` ends it, and
  so does an apply that drops a whole `scaling` block it had written before. Without a hold the scale subresource answers
  with an error, so no HorizontalPodAutoscaler works on a pool.
* In the pod template a fraction needs quotes: `cpu: \"0.5\"` or `cpu: 500m`.
";

/// The whole page.
pub fn markdown() -> serde_json::Result<String> {
    let schema = super::schema()?;
    let mut page = PREFACE.to_owned();
    for part in ["spec", "status"] {
        object(&mut page, part, &schema["properties"][part]);
    }
    Ok(page)
}

fn object(page: &mut String, path: &str, schema: &Value) {
    let Some(properties) = properties(schema) else { return };
    let foreign = FOREIGN.contains(&path);
    let rules = if foreign { rules_below("", schema) } else { rules(schema) };
    if foreign && rules.is_empty() {
        return;
    }
    // Writing to a string cannot fail.
    let _ = write!(page, "\n## {path}\n\n{}\n", text(schema));
    if !foreign {
        table(page, path, schema, properties);
    }
    if !rules.is_empty() {
        let _ = write!(page, "\nRules, in the words of a refusal:\n\n{rules}");
    }
    for (name, property) in properties.iter().filter(|_| !foreign) {
        object(page, &format!("{path}.{name}"), property);
    }
}

fn table(page: &mut String, path: &str, schema: &Value, properties: &Map<String, Value>) {
    page.push_str("\n| field | type | |\n|---|---|---|\n");
    for (name, property) in properties {
        let required = if is_required(schema, name) { ", required" } else { "" };
        let _ =
            writeln!(page, "| `{name}` | {}{required} | {} |", type_of(path, name, property), cell(&text(property)));
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
        return if name == "template" { "[pod template](#specworkertemplate)".into() } else { "object".into() };
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
fn rules(schema: &Value) -> String {
    rules_of("", schema)
}

/// The same of everything below it.
fn rules_below(path: &str, schema: &Value) -> String {
    let mut list = rules_of(path, schema);
    if schema["items"].is_object() {
        list.push_str(&rules_below(&format!("{path}[]"), &schema["items"]));
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        list.push_str(&rules_below(&format!("{path}.{name}"), property));
    }
    list
}

fn rules_of(path: &str, schema: &Value) -> String {
    let mut list = String::new();
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let field = format!("{path}{}", rule["fieldPath"].as_str().unwrap_or_default());
        let message = rule["message"].as_str().unwrap_or_default();
        let _ = match field.trim_start_matches('.') {
            "" => writeln!(list, "* {message}"),
            field => writeln!(list, "* `{field}`: {message}"),
        };
    }
    list
}
