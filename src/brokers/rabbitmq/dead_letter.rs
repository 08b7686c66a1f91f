//! Where a queue's dead letters end: arguments and policies merged, then routed on paper. Pure.

use serde_json::Value;

use super::lists::{Binding, Policy, Queue};
use crate::brokers::DeadLetterTarget;

/// The exchange and, if one is set, the routing key that the queue gives its dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub exchange: String,
    pub routing_key: Option<String>,
}

/// RabbitMQ lets the queue's own arguments win over policies, and operator policies over the
/// user's.
pub fn settings(queue: &Queue, policies: &[Policy], operator_policies: &[Policy]) -> Option<Settings> {
    let text = |key: &str| setting(queue, policies, operator_policies, key).and_then(Value::as_str).map(str::to_owned);
    Some(Settings { exchange: text("dead-letter-exchange")?, routing_key: text("dead-letter-routing-key") })
}

/// One setting of a queue by its policies' name for it; arguments begin with `x-`.
pub fn setting<'a>(
    queue: &'a Queue,
    policies: &'a [Policy],
    operator_policies: &'a [Policy],
    key: &str,
) -> Option<&'a Value> {
    queue
        .argument(&format!("x-{key}"))
        .or_else(|| definition(operator_policies, queue.operator_policy.as_deref(), key))
        .or_else(|| definition(policies, queue.policy.as_deref(), key))
}

fn definition<'a>(policies: &'a [Policy], name: Option<&str>, key: &str) -> Option<&'a Value> {
    let name = name.filter(|name| !name.is_empty())?;
    policies.iter().find(|policy| policy.name == name)?.definition.0.get(key)
}

/// Completes a target. `exchange` is the type and the bindings of the settings' exchange, which
/// the default exchange does not need.
///
/// Without a routing key dead letters keep the key they came with, which only publishers know;
/// the queue's own name is what the default exchange needs to have brought them here.
pub fn target(queue: &str, settings: &Settings, exchange: Option<(&str, &[Binding])>) -> DeadLetterTarget {
    let key = settings.routing_key.clone().unwrap_or_else(|| queue.to_owned());
    let end = if settings.exchange.is_empty() {
        // By the default exchange and its own name a dead letter would return: not a target.
        (key != queue).then(|| key.clone())
    } else {
        exchange.and_then(|(kind, bindings)| route(kind, bindings, &key, settings.routing_key.is_some()))
    };
    DeadLetterTarget::Exchange { exchange: settings.exchange.clone(), routing_key: key, queue: end }
}

/// The one queue that `key` leads to; `None` if there are several or it cannot be told.
fn route(kind: &str, bindings: &[Binding], key: &str, certain: bool) -> Option<String> {
    let queues: Vec<&Binding> = bindings.iter().filter(|binding| binding.destination_type == "queue").collect();
    let matched = only(queues.iter().filter(|binding| match kind {
        "direct" => binding.routing_key == key,
        "topic" => topic_matches(&binding.routing_key, key),
        "fanout" => true,
        _ => false,
    }));
    if certain { matched } else { matched.or_else(|| only(queues.iter())) }
}

/// The destination that all agree on.
fn only<'a>(bindings: impl Iterator<Item = &'a &'a Binding>) -> Option<String> {
    let mut names: Vec<&str> = bindings.map(|binding| binding.destination.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    match names[..] {
        [name] => Some(name.to_owned()),
        _ => None,
    }
}

/// AMQP topic patterns: words between dots, `*` for one word, `#` for any number.
fn topic_matches(pattern: &str, key: &str) -> bool {
    fn matches(pattern: &[&str], key: &[&str]) -> bool {
        match (pattern.split_first(), key.split_first()) {
            (None, None) => true,
            (Some((&"#", rest)), _) => (0..=key.len()).any(|skipped| matches(rest, &key[skipped..])),
            (Some((&"*", rest)), Some((_, key))) => matches(rest, key),
            (Some((word, rest)), Some((first, key))) => word == first && matches(rest, key),
            _ => false,
        }
    }
    // A pattern is the broker administrator's; the bound keeps a hostile one from costing time.
    pattern.matches('#').count() <= 4
        && matches(&pattern.split('.').collect::<Vec<_>>(), &key.split('.').collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn queue(json: Value) -> Queue {
        serde_json::from_value(json).unwrap()
    }

    fn policies(json: Value) -> Vec<Policy> {
        serde_json::from_value(json).unwrap()
    }

    fn set(exchange: &str, key: Option<&str>) -> Settings {
        Settings { exchange: exchange.to_owned(), routing_key: key.map(str::to_owned) }
    }

    #[test]
    fn arguments_win_over_operator_policies_and_those_over_policies() {
        let user = policies(
            json!([{"name": "p", "definition": {"dead-letter-exchange": "user", "dead-letter-routing-key": "k"}}]),
        );
        let operator = policies(json!([{"name": "o", "definition": {"dead-letter-exchange": "operator"}}]));
        for (row, expected) in [
            (json!({"name": "q"}), None),
            (json!({"name": "q", "policy": "p"}), Some(set("user", Some("k")))),
            (json!({"name": "q", "policy": "p", "operator_policy": "o"}), Some(set("operator", Some("k")))),
            (
                json!({"name": "q", "policy": "p", "operator_policy": "o", "arguments": {"x-dead-letter-exchange": ""}}),
                Some(set("", Some("k"))),
            ),
            (json!({"name": "q", "policy": "gone", "operator_policy": ""}), None),
        ] {
            assert_eq!(settings(&queue(row.clone()), &user, &operator), expected, "{row}");
        }
    }

    fn bindings(pairs: &[(&str, &str)]) -> Vec<Binding> {
        pairs
            .iter()
            .map(|(key, queue)| Binding {
                source: "dlx".to_owned(),
                destination: (*queue).to_owned(),
                destination_type: "queue".to_owned(),
                routing_key: (*key).to_owned(),
            })
            .collect()
    }

    #[test]
    fn the_end_is_found_where_it_is_certain() {
        let pair: &[(&str, &str)] = &[("failed", "dead"), ("other", "else")];
        for (kind, bound, key, end) in [
            ("direct", pair, Some("failed"), Some("dead")),
            ("direct", pair, Some("unbound"), None),
            ("direct", pair, None, None),
            ("direct", &[("x", "dead")][..], None, Some("dead")),
            ("fanout", &[("", "dead")], Some("failed"), Some("dead")),
            ("fanout", pair, Some("failed"), None),
            ("topic", &[("failed.#", "dead"), ("other.#", "else")], Some("failed.tasks"), Some("dead")),
            ("headers", &[("", "dead")], Some("failed"), None),
        ] {
            let found = target("q", &set("dlx", key), Some((kind, &bindings(bound)))).queue().map(str::to_owned);
            assert_eq!(found.as_deref(), end, "{kind} {bound:?} {key:?}");
        }
    }

    #[test]
    fn the_default_exchange_leads_to_the_queue_of_that_name() {
        assert_eq!(target("q", &set("", Some("dead")), None).queue(), Some("dead"));
        assert_eq!(target("q", &set("", None), None).queue(), None);
    }

    #[test]
    fn topic_patterns_match_as_amqp_says() {
        for (pattern, key, expected) in [
            ("a.b", "a.b", true),
            ("a.*", "a.b", true),
            ("a.*", "a.b.c", false),
            ("a.#", "a", true),
            ("#", "a.b.c", true),
            ("#.c", "a.b.c", true),
            ("*.b.#", "a.b.c.d", true),
            ("a.b", "a", false),
        ] {
            assert_eq!(topic_matches(pattern, key), expected, "{pattern} {key}");
        }
    }
}
