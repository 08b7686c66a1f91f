//! From the wish to a list of steps. Pure.

use crate::brokers::{DeadLetterTarget, QueueFacts};

/// What a pool's author wants there to be. What is not asked for is not declared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Declare {
    pub queue_type: QueueType,
    /// Classic queues only: the broker refuses it on others.
    pub max_priority: Option<u8>,
    /// Milliseconds.
    pub message_ttl: Option<u64>,
    /// Milliseconds a worker may hold a task without acknowledging it; quorum queues only.
    pub consumer_timeout: Option<u64>,
    pub bindings: Vec<Binding>,
    pub dead_letter: Option<DeadLetter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueType {
    Quorum,
    Classic,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    pub exchange: String,
    pub routing_key: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeadLetter {
    pub exchange: String,
    pub routing_key: String,
    pub queue: String,
}

/// One declaration. All are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The pool's own queue: its arguments must be these.
    Queue {
        name: String,
        arguments: Vec<(&'static str, Value)>,
    },
    /// A queue that others may have made: any will do.
    SharedQueue {
        name: String,
        arguments: Vec<(&'static str, Value)>,
    },
    /// The same; the kind is for a new one.
    Exchange {
        name: String,
        kind: ExchangeKind,
    },
    Bind {
        queue: String,
        exchange: String,
        routing_key: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeKind {
    Direct,
    Topic,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Number(u64),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl QueueType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quorum => "quorum",
            Self::Classic => "classic",
        }
    }

    fn argument(self) -> (&'static str, Value) {
        // Always said: a vhost can have a default of its own.
        ("x-queue-type", Value::Text(self.as_str().to_owned()))
    }
}

impl Declare {
    /// The steps for `queue`. Where it `exists` it is compared first, so that nothing is made for a
    /// queue that is another one; else the dead letters' way comes first, so that there is no moment
    /// in which they go nowhere.
    pub fn steps(&self, queue: &str, exists: bool) -> Vec<Step> {
        let own = Step::Queue { name: queue.to_owned(), arguments: self.arguments() };
        let mut steps = self.dead_letter.as_ref().map(|to| to.steps(self.queue_type)).unwrap_or_default();
        steps.insert(if exists { 0 } else { steps.len() }, own);
        for Binding { exchange, routing_key } in &self.bindings {
            let known = |step: &Step| matches!(step, Step::Exchange { name, .. } if name == exchange);
            if !steps.iter().any(known) {
                steps.push(Step::Exchange { name: exchange.clone(), kind: ExchangeKind::Topic });
            }
            steps.push(Step::Bind {
                queue: queue.to_owned(),
                exchange: exchange.clone(),
                routing_key: routing_key.clone(),
            });
        }
        steps
    }

    fn arguments(&self) -> Vec<(&'static str, Value)> {
        let mut arguments = vec![self.queue_type.argument()];
        let mut add = |name, value: Option<Value>| arguments.extend(value.map(|value| (name, value)));
        add("x-max-priority", self.max_priority.map(|most| Value::Number(most.into())));
        add("x-message-ttl", self.message_ttl.map(Value::Number));
        add("x-consumer-timeout", self.consumer_timeout.map(Value::Number));
        if let Some(DeadLetter { exchange, routing_key, .. }) = &self.dead_letter {
            add("x-dead-letter-exchange", Some(Value::Text(exchange.clone())));
            add("x-dead-letter-routing-key", Some(Value::Text(routing_key.clone())));
        }
        arguments
    }

    /// What is known of the queue once it was declared, without asking the management API.
    pub fn facts(&self) -> QueueFacts {
        QueueFacts {
            dead_letter: self.dead_letter.as_ref().map(|to| DeadLetterTarget::Exchange {
                exchange: to.exchange.clone(),
                routing_key: to.routing_key.clone(),
                queue: Some(to.queue.clone()),
            }),
            queue_type: Some(self.queue_type.as_str().to_owned()),
            cluster: None,
        }
    }
}

impl DeadLetter {
    fn steps(&self, queue_type: QueueType) -> Vec<Step> {
        let Self { exchange, routing_key, queue } = self.clone();
        vec![
            Step::Exchange { name: exchange.clone(), kind: ExchangeKind::Direct },
            Step::SharedQueue { name: queue.clone(), arguments: vec![queue_type.argument()] },
            Step::Bind { queue, exchange, routing_key },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declare() -> Declare {
        Declare {
            queue_type: QueueType::Quorum,
            max_priority: None,
            message_ttl: Some(300_000),
            consumer_timeout: Some(3_000_000),
            bindings: ["research.#", "deep.#"]
                .map(|key| Binding { exchange: "tasks".into(), routing_key: key.into() })
                .to_vec(),
            dead_letter: Some(DeadLetter {
                exchange: "dlx".into(),
                routing_key: "failed".into(),
                queue: "dead".into(),
            }),
        }
    }

    fn shown(steps: &[Step]) -> Vec<String> {
        let arguments = |arguments: &[(&str, Value)]| {
            arguments.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>()
        };
        let step = |step: &Step| match step {
            Step::Queue { name, arguments: given } => format!("queue {name}{}", arguments(given)),
            Step::SharedQueue { name, arguments: given } => format!("shared queue {name}{}", arguments(given)),
            Step::Exchange { name, kind } => format!("{kind:?} exchange {name}"),
            Step::Bind { queue, exchange, routing_key } => format!("{exchange} -{routing_key}-> {queue}"),
        };
        steps.iter().map(step).collect()
    }

    const OWN: &str = "queue work x-queue-type=quorum x-message-ttl=300000 x-consumer-timeout=3000000 \
                       x-dead-letter-exchange=dlx x-dead-letter-routing-key=failed";

    #[test]
    fn a_new_queue_comes_after_the_place_where_its_dead_letters_go() {
        let expected = [
            "Direct exchange dlx",
            "shared queue dead x-queue-type=quorum",
            "dlx -failed-> dead",
            OWN,
            "Topic exchange tasks",
            "tasks -research.#-> work",
            "tasks -deep.#-> work",
        ];
        assert_eq!(shown(&declare().steps("work", false)), expected);
    }

    #[test]
    fn a_queue_that_exists_is_compared_before_anything_is_made() {
        assert_eq!(shown(&declare().steps("work", true))[0], OWN);
    }

    #[test]
    fn what_is_not_asked_for_is_not_declared() {
        let least = Declare {
            queue_type: QueueType::Classic,
            max_priority: Some(10),
            message_ttl: None,
            consumer_timeout: None,
            bindings: Vec::new(),
            dead_letter: None,
        };
        assert_eq!(shown(&least.steps("work", false)), ["queue work x-queue-type=classic x-max-priority=10"]);
        assert_eq!(least.facts().dead_letter, None);
    }
}
