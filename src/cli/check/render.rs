//! The steps as text and as data.

use std::fmt::Write as _;

use serde::Serialize;

use crate::brokers::check::{Outcome, Step};

/// What `-o json` and `-o yaml` give. It grows by addition only.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document<'a> {
    namespace: &'a str,
    pool: &'a str,
    /// Nothing failed.
    passed: bool,
    steps: Vec<Entry<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    name: &'a str,
    /// Passed, Warning, Failed or Skipped.
    outcome: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'a str>,
}

pub fn document<'a>(namespace: &'a str, pool: &'a str, steps: &'a [Step]) -> Document<'a> {
    let entry = |step: &'a Step| Entry {
        name: step.name,
        outcome: step.outcome.as_str(),
        detail: &step.detail,
        remedy: step.remedy.as_deref(),
    };
    let passed = steps.iter().all(|step| step.outcome != Outcome::Failed);
    Document { namespace, pool, passed, steps: steps.iter().map(entry).collect() }
}

/// Readable without colour: the outcome is a word.
pub fn text(namespace: &str, pool: &str, steps: &[Step], colour: bool) -> String {
    let mut text = format!("{namespace}/{pool}\n");
    let width = steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
    for step in steps {
        let (word, code) = match step.outcome {
            Outcome::Passed => ("ok  ", "32"),
            Outcome::Warning => ("warn", "33"),
            Outcome::Failed => ("FAIL", "31"),
            Outcome::Skipped => ("-   ", "2"),
        };
        let word = if colour { format!("\u{1b}[{code}m{word}\u{1b}[0m") } else { word.to_owned() };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{word}  {:width$}  {}", step.name, step.detail);
        if let Some(remedy) = &step.remedy {
            let _ = writeln!(text, "      {:width$}  → {remedy}", "");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> Vec<Step> {
        vec![
            Step::passed("dns", "rabbitmq is 10.0.0.7"),
            Step::failed("login", "the broker refuses user \"reader\"", "correct the Secret"),
            Step::skipped("queue", "not reached"),
        ]
    }

    #[test]
    fn each_failure_has_its_remedy_below_it() {
        let expected = "agents/research\nok    dns    rabbitmq is 10.0.0.7\n\
                        FAIL  login  the broker refuses user \"reader\"\n             → correct the Secret\n\
                        -     queue  not reached\n";
        assert_eq!(text("agents", "research", &steps(), false), expected);
    }

    #[test]
    fn scripts_see_whether_anything_failed() {
        let document: serde_json::Value = serde_json::to_value(document("agents", "research", &steps())).unwrap();
        assert_eq!((&document["passed"], &document["steps"][1]["outcome"]), (&false.into(), &"Failed".into()));
        assert!(document["steps"][0].get("remedy").is_none());
    }
}
