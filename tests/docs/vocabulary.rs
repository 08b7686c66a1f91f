//! Names that users meet are in `docs/operations.md` and `docs/concepts.md`.

use std::path::{Path, PathBuf};

use crate::text::read;

/// String constants of one module of `src/api/names.rs`.
fn names(module: &str) -> Vec<String> {
    let source = read(Path::new("src/api/names.rs"));
    let body = source.split(&format!("pub mod {module} {{")).nth(1).unwrap().split("\n}").next().unwrap();
    let constants = body.split("pub const ").skip(1).filter(|constant| constant.contains(": &str"));
    let values = constants.filter_map(|constant| constant.split('"').nth(1));
    values.map(str::to_owned).collect()
}

fn explained_in(document: &str, names: Vec<String>) {
    let text = read(Path::new(document));
    assert!(names.len() > 5, "only {names:?} found: has the source moved?");
    for name in names {
        assert!(text.contains(&format!("`{name}`")), "{document} does not explain `{name}`");
    }
}

#[test]
fn every_condition_and_reason_is_explained() {
    explained_in("docs/operations.md", names("conditions"));
    explained_in("docs/operations.md", names("reasons"));
}

/// A name in `names.rs` is a promise: somebody sets it.
#[test]
fn every_condition_and_reason_is_used() {
    let mut code = String::new();
    let mut folders = vec![PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("api/names.rs") {
                code += &read(&path);
            }
        }
    }
    let source = read(Path::new("src/api/names.rs"));
    let promised = source.split("pub mod conditions {").nth(1).unwrap();
    for constant in promised.split("pub const ").skip(1).filter_map(|rest| rest.split(':').next()) {
        assert!(code.contains(&format!("::{constant}")), "nothing uses {constant}");
    }
}

/// Reasons that only one place uses are literals there: PascalCase words in quotes.
#[test]
fn every_reason_in_the_conditions_is_explained() {
    let source = read(Path::new("src/controller/conditions.rs"));
    let code = source.split("#[cfg(test)]").next().unwrap();
    let literals =
        code.split('"').skip(1).step_by(2).filter(|text| {
            text.len() > 5 && text.starts_with(char::is_uppercase) && text.chars().all(char::is_alphabetic)
        });
    let text = read(Path::new("docs/operations.md"));
    for reason in literals.filter(|literal| literal.chars().filter(char::is_ascii_uppercase).count() > 1) {
        assert!(text.contains(&format!("`{reason}`")), "docs/operations.md does not explain `{reason}`");
    }
}

#[test]
fn every_reason_of_a_broker_is_explained() {
    let files = ["rabbitmq", "sqs", "kafka"].map(|broker| format!("src/brokers/{broker}/errors.rs"));
    let source: String = files.iter().map(|file| read(Path::new(file))).collect();
    let functions = ["transient(", "misconfigured(", "doubtful("];
    let calls = functions.iter().flat_map(|function| source.split(function).skip(1));
    let reasons = calls.filter_map(|call| call.trim_start().strip_prefix('"')?.split('"').next());
    explained_in("docs/operations.md", reasons.map(str::to_owned).collect());
}

#[test]
fn every_metric_is_explained() {
    let source = read(Path::new("src/ops/metrics.rs"));
    let code = source.split("#[cfg(test)]").next().unwrap();
    let calls: Vec<&str> = code.split(".register(").skip(1).map(|call| call.split(");").next().unwrap()).collect();
    let names = calls.iter().map(|call| {
        let name = call.split('"').nth(1).unwrap();
        let field = call.split_once("metrics.").map_or("", |(_, rest)| rest.split('.').next().unwrap());
        let declared =
            code.lines().find_map(|line| line.trim().trim_start_matches("pub ").strip_prefix(&format!("{field}: ")));
        // The text format adds `_total` to counters.
        let counter = !field.is_empty() && declared.unwrap().contains("Counter");
        format!("awp_{name}{}", if counter { "_total" } else { "" })
    });
    explained_in("docs/operations.md", names.collect());

    let readers = read(Path::new("src/brokers/metrics.rs"));
    let literals = readers.split('"').skip(1).step_by(2).filter(|text| text.starts_with("broker_"));
    let counted = |name: &str| if name == "broker_requests" { "_total" } else { "" };
    for name in literals {
        let name = format!("awp_{name}{}", counted(name));
        assert!(read(Path::new("docs/operations.md")).contains(&format!("`{name}`")), "`{name}` is not explained");
    }
}

#[test]
fn every_bound_and_variable_is_explained() {
    let decision = read(Path::new("src/scaling/decision.rs"));
    let bounds = decision.split("Self::").filter_map(|arm| arm.split_once(" => \"")?.1.split('"').next());
    explained_in("docs/concepts.md", bounds.map(str::to_owned).collect());
    explained_in("docs/concepts.md", names("env"));
}
