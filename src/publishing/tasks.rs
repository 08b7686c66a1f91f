//! What to publish: from arguments, JSON lines, or made up for try-outs.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value};
use uuid::Uuid;

/// One message to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    pub id: String,
    /// Header `awp-task-type`.
    pub kind: Option<String>,
    pub priority: Option<u8>,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// AMQP's limit for a message id, in bytes.
const LONGEST_ID: usize = 255;

impl Task {
    /// An argument: JSON if it is, else text.
    pub fn from_argument(text: &str) -> Self {
        let json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        Self::new(if json { JSON } else { TEXT }, text.into())
    }

    /// A line: an object with the member `body` and at most `id`, `type` and `priority` beside it is
    /// a task; any other JSON value is the body itself, unchanged.
    pub fn from_line(line: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(line).map_err(|error| format!("it is not JSON: {error}"))?;
        match value {
            Value::Object(members) if is_task(&members) => Self::from_members(members),
            _ => Ok(Self::new(JSON, line.trim().into())),
        }
    }

    /// A task for `awp worker --simulate`.
    pub fn simulated(seconds: f64) -> Self {
        Self::new(JSON, format!("{{\"durationSeconds\":{seconds}}}").into())
    }

    /// The same once more, under an id of its own.
    #[must_use]
    pub fn again(&self) -> Self {
        Self { id: Uuid::new_v4().to_string(), ..self.clone() }
    }

    fn new(content_type: &'static str, body: Vec<u8>) -> Self {
        Self { id: Uuid::new_v4().to_string(), kind: None, priority: None, content_type, body }
    }

    fn from_members(mut members: Map<String, Value>) -> Result<Self, String> {
        let body = members.remove("body").unwrap_or_default();
        let mut task = Self::new(JSON, body.to_string().into());
        match members.remove("id") {
            None | Some(Value::Null) => {}
            Some(Value::String(id)) if !id.is_empty() && id.len() <= LONGEST_ID => task.id = id,
            Some(_) => return Err(format!("`id` must be a text of 1 to {LONGEST_ID} bytes")),
        }
        match members.remove("type") {
            None | Some(Value::Null) => {}
            Some(Value::String(kind)) if !kind.is_empty() && kind.len() <= LONGEST_ID => task.kind = Some(kind),
            Some(_) => return Err(format!("`type` must be a text of 1 to {LONGEST_ID} bytes")),
        }
        match members.remove("priority") {
            None | Some(Value::Null) => {}
            Some(priority) => {
                let priority = priority.as_u64().and_then(|priority| u8::try_from(priority).ok());
                task.priority = Some(priority.ok_or("`priority` must be a whole number from 0 to 255")?);
            }
        }
        Ok(task)
    }
}

fn is_task(members: &Map<String, Value>) -> bool {
    members.contains_key("body") && members.keys().all(|name| ["id", "type", "priority", "body"].contains(&&**name))
}

/// Every line of a file, empty ones left out. The first wrong one is named by its number.
pub fn from_lines(text: &str) -> Result<Vec<Task>, String> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| Task::from_line(line).map_err(|error| format!("line {}: {error}", index + 1)))
        .collect()
}

/// `count` simulated tasks, their durations drawn from `seconds` with equal chances.
pub fn simulated(seconds: &[f64], count: usize, seed: u64) -> Vec<Task> {
    let mut random = StdRng::seed_from_u64(seed);
    (0..count).map(|_| Task::simulated(seconds[random.random_range(0..seconds.len())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Result<(Option<String>, Option<u8>, String), String> {
        Task::from_line(text).map(|task| (task.kind, task.priority, String::from_utf8(task.body).unwrap()))
    }

    #[test]
    fn a_line_is_a_task_or_the_body_itself() {
        let task = Task::from_line(r#"{"id":"t1","type":"review","priority":3,"body":{"pr":7}}"#).unwrap();
        assert_eq!((task.id.as_str(), task.kind.as_deref(), task.priority), ("t1", Some("review"), Some(3)));
        assert_eq!(task.body, br#"{"pr":7}"#);
        assert_eq!(line(r#"{"body":"x"}"#), Ok((None, None, r#""x""#.into())));
        for body in
            [r#"{"pr":7}"#, r#"{"body":"mail","subject":"s"}"#, "7", r#""text""#, "[1]", "null", r#"{"b":1, "a":1}"#]
        {
            assert_eq!(line(body), Ok((None, None, body.into())), "unchanged, to the byte");
        }
    }

    #[test]
    fn what_is_wrong_in_a_line_is_named_with_its_number() {
        assert!(from_lines("{}\n\n{\n").unwrap_err().starts_with("line 3: it is not JSON"));
        assert!(line(r#"{"id":7,"body":1}"#).unwrap_err().contains("`id`"));
        assert!(line(&format!(r#"{{"id":"{}","body":1}}"#, "x".repeat(256))).unwrap_err().contains("255 bytes"));
        assert!(line(r#"{"type":[],"body":1}"#).unwrap_err().contains("`type`"));
        assert!(line(r#"{"priority":256,"body":1}"#).unwrap_err().contains("`priority`"));
        assert_eq!(from_lines("{}\n \n[]").unwrap().len(), 2);
    }

    #[test]
    fn an_argument_is_json_where_it_can_be() {
        assert_eq!(Task::from_argument(r#"{"a":1}"#).content_type, JSON);
        assert_eq!(Task::from_argument("hello").content_type, TEXT);
    }

    #[test]
    fn every_task_has_an_id_of_its_own() {
        let task = Task::from_argument("1");
        assert_ne!(task.id, task.again().id);
        assert_eq!(task.body, task.again().body);
    }

    #[test]
    fn a_seed_repeats_the_mix_and_all_durations_occur() {
        let bodies = |seed| simulated(&[2.0, 5.5], 50, seed).into_iter().map(|task| task.body).collect::<Vec<_>>();
        assert_eq!(bodies(7), bodies(7));
        assert_ne!(bodies(7), bodies(8));
        assert!(bodies(7).contains(&br#"{"durationSeconds":5.5}"#.to_vec()));
        assert!(bodies(7).contains(&br#"{"durationSeconds":2}"#.to_vec()));
    }
}
