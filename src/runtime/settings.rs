//! What a worker is told, checked: a worker that could lose a task does not start.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What the core needs; the broker's part is [`super::rabbitmq::Settings`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// Tasks at once, and the prefetch.
    pub slots: u16,
    /// A task that runs longer is ended and dead-lettered; `None` = no limit.
    pub task_timeout: Option<Duration>,
    /// Bytes of a body; larger ones are dead-lettered.
    pub max_payload: usize,
    /// Task types (header `awp-task-type`) to accept; empty = any, also none.
    pub task_types: BTreeSet<String>,
    /// Where `/status` is served; `None` = nowhere.
    pub status_address: Option<SocketAddr>,
}

/// `ip:port`. Kubernetes writes a pod's IPv6 address without brackets into `$(POD_IP):port`.
pub fn parse_status_address(text: &str) -> Result<SocketAddr, String> {
    let unbracketed = || {
        let (ip, port) = text.rsplit_once(':')?;
        Some(SocketAddr::new(ip.parse::<IpAddr>().ok()?, port.parse().ok()?))
    };
    text.parse().ok().or_else(unbracketed).ok_or_else(|| format!("{text:?} is not an address like 10.0.0.7:9464"))
}

/// Where dead letters go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterTarget {
    /// Empty = the default exchange, which routes by queue name.
    pub exchange: String,
    pub routing_key: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error(
        "no place for dead letters: a task that fails would be lost. Set AWP_DEAD_LETTER_EXCHANGE and AWP_DEAD_LETTER_ROUTING_KEY (--dead-letter-exchange, --dead-letter-routing-key; an empty exchange and a queue's name go straight to that queue). In a pool the operator sets both, from the queue's own dead-letter arguments, its policy or spec.deadLetter.queue: give the queue one of them"
    )]
    Missing,
    #[error(
        "dead letters would go back to the work queue {queue:?} and run for ever: name another queue by AWP_DEAD_LETTER_ROUTING_KEY (--dead-letter-routing-key)"
    )]
    WorkQueue { queue: String },
}

impl DeadLetterTarget {
    /// An exchange alone is enough (a fanout exchange needs no key), and so is a key: the default
    /// exchange takes it for a queue's name.
    pub fn new(exchange: Option<String>, routing_key: Option<String>, queue: &str) -> Result<Self, TargetError> {
        let target = Self { exchange: exchange.unwrap_or_default(), routing_key: routing_key.unwrap_or_default() };
        if target.exchange.is_empty() && target.routing_key.is_empty() {
            return Err(TargetError::Missing);
        }
        if target.exchange.is_empty() && target.routing_key == queue {
            return Err(TargetError::WorkQueue { queue: queue.to_owned() });
        }
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(exchange: Option<&str>, key: Option<&str>) -> Result<(String, String), TargetError> {
        DeadLetterTarget::new(exchange.map(Into::into), key.map(Into::into), "work")
            .map(|target| (target.exchange, target.routing_key))
    }

    #[test]
    fn a_worker_without_a_place_for_dead_letters_does_not_start() {
        assert_eq!(target(None, None), Err(TargetError::Missing));
        assert_eq!(target(Some(""), Some("")), Err(TargetError::Missing));
        assert!(TargetError::Missing.to_string().contains("AWP_DEAD_LETTER_ROUTING_KEY"));
    }

    #[test]
    fn an_exchange_or_a_key_is_enough() {
        assert_eq!(target(None, Some("dead")), Ok((String::new(), "dead".into())));
        assert_eq!(target(Some("dlx"), None), Ok(("dlx".into(), String::new())));
        assert_eq!(target(Some("dlx"), Some("work")), Ok(("dlx".into(), "work".into())));
    }

    #[test]
    fn dead_letters_never_go_back_to_the_work_queue() {
        assert!(matches!(target(Some(""), Some("work")), Err(TargetError::WorkQueue { .. })));
    }

    #[test]
    fn a_status_address_may_be_an_unbracketed_ipv6_one() {
        let parsed = |text| parse_status_address(text).map(|address| address.to_string());
        assert_eq!(parsed("10.0.0.7:9464"), Ok("10.0.0.7:9464".into()));
        assert_eq!(parsed("[fd00::7]:9464"), Ok("[fd00::7]:9464".into()));
        assert_eq!(parsed("fd00::7:9464"), Ok("[fd00::7]:9464".into()));
        for wrong in ["", ":9464", "9464", "pod:9464", "10.0.0.7"] {
            assert!(parse_status_address(wrong).is_err(), "{wrong}");
        }
    }
}
