//! What a task must be before an agent sees it. What is not is dead-lettered with the reason.

use std::collections::BTreeSet;

use serde::de::IgnoredAny;

use super::broker::Message;

/// Deeper JSON has one purpose: to exhaust the stack of whoever parses it.
const DEEPEST: usize = 64;

/// `Err` is the reason, for people; it never repeats the body.
pub fn check(message: &Message, max_payload: usize, task_types: &BTreeSet<String>) -> Result<(), String> {
    let size = message.body.len();
    if size > max_payload {
        return Err(format!("the body has {size} bytes; at most {max_payload} are allowed (--max-payload)"));
    }
    if !task_types.is_empty() {
        let allowed = || task_types.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        match &message.task_type {
            Some(kind) if task_types.contains(kind) => {}
            Some(kind) => return Err(format!("the task type {:?} is not one of: {}", start(kind), allowed())),
            None => return Err(format!("the header awp-task-type is missing; allowed are: {}", allowed())),
        }
    }
    if claims_json(message) { check_json(&message.body) } else { Ok(()) }
}

/// Only where the body is readable as it stands: a compressed one is the agent's to unpack.
fn claims_json(message: &Message) -> bool {
    let json = message.content_type.as_deref().is_some_and(|kind| {
        kind.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
    });
    let plain = message.content_encoding.as_deref().is_none_or(|encoding| {
        ["", "utf-8", "utf8", "us-ascii", "identity"].iter().any(|plain| encoding.eq_ignore_ascii_case(plain))
    });
    json && plain
}

fn check_json(body: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(body)
        .map_err(|error| format!("the content type says JSON, but byte {} is not UTF-8", error.valid_up_to()))?;
    if depth(text) > DEEPEST {
        return Err(format!("the JSON body is nested deeper than {DEEPEST} levels"));
    }
    serde_json::from_str::<IgnoredAny>(text).map(|_| ()).map_err(|error| {
        // serde_json's own words tell the place and the kind, not the content.
        format!("the content type says JSON, but the body is not: {error}")
    })
}

/// Levels of brackets outside strings.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let mut bytes = json.bytes();
    let mut quoted = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if quoted => drop(bytes.next()),
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A bounded part of a stranger's text.
fn start(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(body: &str) -> Message {
        Message { content_type: Some("application/json".into()), body: body.into(), ..Message::default() }
    }

    fn refused(message: &Message) -> String {
        check(message, 1000, &BTreeSet::new()).unwrap_err()
    }

    #[test]
    fn any_body_passes_where_nothing_is_claimed() {
        let message = Message { body: vec![0xff, 0x00], ..Message::default() };
        assert_eq!(check(&message, 2, &BTreeSet::new()), Ok(()));
    }

    #[test]
    fn a_large_body_is_refused_with_both_sizes() {
        let message = Message { body: vec![0; 1001], ..Message::default() };
        assert!(refused(&message).contains("1001 bytes; at most 1000"));
    }

    #[test]
    fn json_must_be_json_where_the_content_type_says_so() {
        assert_eq!(check(&json(r#"{"a":[1,"]"]}"#), 1000, &BTreeSet::new()), Ok(()));
        for body in ["", "{", "{'a':1}", "[1,]", "nul", "{} {}"] {
            assert!(refused(&json(body)).contains("the content type says JSON"), "{body}");
        }
        let mut binary = json("");
        binary.body = vec![b'"', 0xff, b'"'];
        assert!(refused(&binary).contains("byte 1 is not UTF-8"));
        let typed = Message { content_type: Some("Application/JSON; charset=utf-8".into()), ..json("{") };
        assert!(check(&typed, 1000, &BTreeSet::new()).is_err());
    }

    #[test]
    fn a_compressed_body_is_not_parsed() {
        let message = Message { content_encoding: Some("gzip".into()), ..json("\u{1f}") };
        assert_eq!(check(&message, 1000, &BTreeSet::new()), Ok(()));
        let message = Message { content_encoding: Some("UTF-8".into()), ..json("{") };
        assert!(check(&message, 1000, &BTreeSet::new()).is_err());
    }

    #[test]
    fn nesting_is_bounded_and_brackets_in_strings_do_not_count() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(check(&json(&nested(64)), 1000, &BTreeSet::new()), Ok(()));
        assert!(refused(&json(&nested(65))).contains("deeper than 64"));
        assert_eq!(check(&json(&format!(r#""\"{}""#, "[".repeat(100))), 1000, &BTreeSet::new()), Ok(()));
        // A million levels, unclosed, must not exhaust the stack.
        assert!(check(&json(&"[".repeat(1_000_000)), usize::MAX, &BTreeSet::new()).is_err());
    }

    #[test]
    fn the_allow_list_of_task_types_names_what_it_allows() {
        let types = BTreeSet::from(["research".to_owned(), "review".to_owned()]);
        let of = |kind: Option<&str>| Message { task_type: kind.map(Into::into), ..Message::default() };
        assert_eq!(check(&of(Some("review")), 1000, &types), Ok(()));
        assert!(check(&of(Some("delete")), 1000, &types).unwrap_err().ends_with("research, review"));
        assert!(check(&of(None), 1000, &types).unwrap_err().contains("awp-task-type is missing"));
    }

    #[test]
    fn a_reason_never_repeats_the_body() {
        assert!(!refused(&json(r#"{"key": secretvalue}"#)).contains("secretvalue"));
    }
}
