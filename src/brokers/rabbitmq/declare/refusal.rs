//! The broker's refusal as a reason with a remedy. Pure.
//!
//! RabbitMQ says which argument differs, and which permission is missing, only in a text. Of that
//! text nothing reaches people but words known here and the value of an argument, which is short and
//! free of odd characters, or not shown.

use super::plan::{Step, Value};
use crate::brokers::rabbitmq::errors;
use crate::scaling::observation::Unknown;

/// What each argument is called in a pool. Those that no pool declares stand here because a queue can
/// have them.
const ARGUMENTS: &[(&str, &str)] = &[
    ("x-queue-type", "declare.type"),
    ("x-max-priority", "declare.maxPriority"),
    ("x-message-ttl", "declare.messageTtl"),
    ("x-dead-letter-exchange", "declare.deadLetter.exchange"),
    ("x-dead-letter-routing-key", "declare.deadLetter.routingKey"),
    ("x-consumer-timeout", "worker.taskTimeout, twice which it is"),
    ("x-dead-letter-strategy", ""),
    ("x-delivery-limit", ""),
    ("x-expires", ""),
    ("x-max-age", ""),
    ("x-max-in-memory-bytes", ""),
    ("x-max-in-memory-length", ""),
    ("x-max-length", ""),
    ("x-max-length-bytes", ""),
    ("x-overflow", ""),
    ("x-quorum-initial-group-size", ""),
    ("x-queue-leader-locator", ""),
    ("x-queue-master-locator", ""),
    ("x-queue-mode", ""),
    ("x-queue-version", ""),
    ("x-single-active-consumer", ""),
    ("x-stream-max-segment-size-bytes", ""),
    ("auto_delete", ""),
    ("durable", ""),
    ("exclusive", ""),
];

/// Characters of a value that are shown.
const LONGEST_VALUE: usize = 100;

/// 406 for the pool's own queue: it exists with other arguments.
pub fn differs(queue: &str, arguments: &[(&'static str, Value)], text: &str) -> Unknown {
    let named = text.split_once("inequivalent arg '").and_then(|(_, rest)| rest.split_once('\''));
    let known = named.and_then(|(name, _)| ARGUMENTS.iter().find(|(known, _)| *known == name));
    let Some((argument, field)) = known else { return errors::queue_refused(queue) };
    let wanted = arguments.iter().find(|(name, _)| name == argument).map(|(_, value)| value.to_string());
    let current = text.rsplit_once(" but current is ").and_then(|(_, current)| value(current));
    errors::queue_differs(queue, argument, wanted.as_deref(), current.as_deref(), field)
}

/// `'7'`, `the value '7' of type 'signedint'` or `none`, as RabbitMQ writes them.
fn value(text: &str) -> Option<String> {
    let text = text.strip_prefix("the value ").unwrap_or(text);
    if text.starts_with("none") {
        return Some("none".to_owned());
    }
    let quoted = text.strip_prefix('\'')?;
    let value = quoted.split_once("' of type '").map(|(value, _)| value).or_else(|| quoted.split('\'').next())?;
    let plain = |c: char| !c.is_control();
    (value.chars().count() <= LONGEST_VALUE && value.chars().all(plain)).then(|| value.to_owned())
}

/// 403: which of the three permissions is missing, and on what.
pub fn forbidden(user: &str, vhost: &str, step: &Step, text: &str) -> Unknown {
    if text.contains("reserved prefix") {
        return errors::name_reserved(target(step));
    }
    let missing = ["configure", "write", "read"].into_iter().find(|word| text.contains(&format!("{word} access to ")));
    let permission = missing.unwrap_or("configure");
    let (kind, name) = match step {
        // RabbitMQ asks for `write` on the exchange that a queue sends its dead letters to.
        Step::Queue { arguments, .. } if permission == "write" => ("exchange", dead_letter_exchange(arguments)),
        Step::Queue { name, .. } | Step::SharedQueue { name, .. } => ("queue", name.as_str()),
        Step::Exchange { name, .. } => ("exchange", name.as_str()),
        Step::Bind { exchange, .. } if permission == "read" => ("exchange", exchange.as_str()),
        Step::Bind { queue, .. } => ("queue", queue.as_str()),
    };
    errors::permission_missing(user, vhost, permission, kind, name)
}

fn dead_letter_exchange<'a>(arguments: &'a [(&'static str, Value)]) -> &'a str {
    let found = arguments.iter().find(|(name, _)| *name == "x-dead-letter-exchange");
    match found {
        Some((_, Value::Text(name))) => name,
        _ => "",
    }
}

/// What a step is about, by its name.
pub fn target(step: &Step) -> &str {
    match step {
        Step::Queue { name, .. } | Step::SharedQueue { name, .. } | Step::Exchange { name, .. } => name,
        Step::Bind { exchange, .. } => exchange,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_the_argument_and_both_values() {
        let arguments = vec![("x-queue-type", Value::Text("quorum".into())), ("x-message-ttl", Value::Number(300_000))];
        for (text, said) in [
            (
                "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received '300000' but current is '60000'",
                "x-message-ttl 60000 instead of 300000",
            ),
            (
                "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'q' in vhost '/': received none but current is the value '5' of type 'signedint'",
                "x-max-length 5 instead of none",
            ),
            (
                "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received the value '300000' of type 'long' but current is none",
                "x-message-ttl none instead of 300000",
            ),
            (
                "PRECONDITION_FAILED - inequivalent arg 'x-dead-letter-exchange' for queue 'q' in vhost '/': received none but current is the value 'it's' of type 'longstr'",
                "x-dead-letter-exchange it's instead of none",
            ),
        ] {
            let why = differs("q", &arguments, text);
            assert_eq!(why.reason, "QueueDiffers");
            assert!(why.message.contains(said), "{why}");
        }
    }

    #[test]
    fn of_a_strange_text_nothing_is_repeated() {
        for text in ["", "inequivalent arg 'evil<script>'", "inequivalent arg 'x"] {
            let why = differs("q", &[], text);
            assert_eq!(why.reason, "QueueRefused", "{text}");
            assert!(!why.message.contains("evil"), "{why}");
        }
        let control = "inequivalent arg 'durable' …: received 'true' but current is '\u{1b}[31m'";
        assert!(!differs("q", &[], control).message.contains('\u{1b}'));
    }

    #[test]
    fn a_missing_permission_is_named_with_what_it_is_needed_on() {
        let queue =
            Step::Queue { name: "work".into(), arguments: vec![("x-dead-letter-exchange", Value::Text("dlx".into()))] };
        let exchange = Step::Exchange { name: "tasks".into(), kind: super::super::plan::ExchangeKind::Topic };
        let bind = Step::Bind { queue: "work".into(), exchange: "tasks".into(), routing_key: "k".into() };
        for (step, word, said) in [
            (&queue, "configure", "configure on queue \"work\""),
            (&queue, "read", "read on queue \"work\""),
            (&queue, "write", "write on exchange \"dlx\""),
            (&exchange, "configure", "configure on exchange \"tasks\""),
            (&bind, "write", "write on queue \"work\""),
            (&bind, "read", "read on exchange \"tasks\""),
        ] {
            let text = format!("ACCESS_REFUSED - {word} access to something refused");
            let why = forbidden("u", "v", step, &text);
            assert_eq!(why.reason, "PermissionMissing");
            assert!(why.message.contains(said), "{why}");
        }
    }
}
