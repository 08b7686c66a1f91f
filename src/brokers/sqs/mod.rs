//! Reading Amazon SQS: one `GetQueueAttributes` per queue and look, as rarely as its state allows.
//!
//! | file | what it does |
//! |---|---|
//! | `belief` | **pure**: looks in, a reading out; every rule on what may be believed |
//! | `schedule` | **pure**: when a queue is looked at next, and what that costs |
//! | `attributes` | **pure**: the answer as counts and facts |
//! | `account` | one identity at one address: its client, and the breaker of all its queues |
//! | `watch` | one queue: what is believed of it, and the pools that want to know |
//! | `poller` | the life of a queue's task, from first subscription to last |
//! | `check` | `awp check` |
//! | `errors` | words |
//!
//! A queue is never probed by receiving: that raises the receive count of its messages and leads them
//! to the dead-letter queue.

mod account;
mod attributes;
mod belief;
mod check;
mod errors;
mod poller;
mod schedule;
mod watch;

use std::sync::{Arc, Weak};

pub(super) use account::Account;
pub(super) use check::check;
pub(super) use poller::Poller;

use super::{BrokerStatus, Trouble};
use crate::aws::{Identity, Login};
use crate::net::addresses::is_link_local;
use crate::scaling::observation::Unknown;

/// One queue, with the identity to read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    pub broker: Identity,
    /// The queue's URL.
    pub queue: String,
    /// Whose depth to show, by URL; `None` = found from the queue's redrive policy.
    pub dead_letter_queue: Option<String>,
}

impl Source {
    /// Whether this can be asked for at all, whatever SQS says.
    pub fn check(&self) -> Result<(), Unknown> {
        let addresses = [Some(&self.queue), self.dead_letter_queue.as_ref(), self.broker.endpoint.as_ref()];
        for address in addresses.into_iter().flatten() {
            check_address(address)?;
        }
        match &self.broker.login {
            Login::Keys(keys) if keys.access_key_id.chars().any(|it| !it.is_ascii_alphanumeric()) => {
                Err(errors::invalid_url("the access key id in the Secret is not one: it has letters and digits only"))
            }
            _ => Ok(()),
        }
    }
}

fn check_address(address: &str) -> Result<(), Unknown> {
    let url = reqwest::Url::parse(address)
        .map_err(|_| errors::invalid_url("not a URL: write https://sqs.REGION.amazonaws.com/ACCOUNT/QUEUE"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(errors::invalid_url(
            "credentials belong in a Secret, not in a URL: remove everything before the @",
        ));
    }
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    // Where nodes tell their own credentials: nothing of a user's may be sent there.
    let link_local = host.parse().map_or_else(|_| host.is_empty(), is_link_local);
    if link_local {
        return Err(errors::invalid_url("link-local addresses are refused: no SQS lives there"));
    }
    Ok(())
}

/// The accounts that are read now, for metrics and people.
pub(super) fn status<'a>(accounts: impl Iterator<Item = &'a Weak<Account>>) -> Vec<BrokerStatus> {
    let living = accounts.filter_map(Weak::upgrade);
    living
        .map(|account: Arc<Account>| {
            let (subscriptions, failure) = account.status();
            let why = failure.map(|failure| errors::failed(&failure, &account.identity, "", "GetQueueAttributes"));
            BrokerStatus {
                kind: "sqs",
                address: account.identity.address(),
                subscriptions,
                trouble: why.into_iter().map(|why| Trouble { side: "api", why }).collect(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Keys;

    #[test]
    fn what_cannot_be_asked_for_is_refused_before_anything_is_sent() {
        let keys = |id: &str| {
            Login::Keys(Keys { access_key_id: id.into(), secret_access_key: "s".into(), session_token: None })
        };
        let source = |queue: &str, endpoint: Option<&str>, login| Source {
            broker: Identity { region: "eu-west-1".into(), endpoint: endpoint.map(str::to_owned), login },
            queue: queue.into(),
            dead_letter_queue: None,
        };
        let queue = "https://sqs.eu-west-1.amazonaws.com/1/q";
        assert_eq!(source(queue, None, keys("AKIA1")).check(), Ok(()));
        assert_eq!(source(queue, Some("http://localhost:4566"), Login::Ambient).check(), Ok(()));
        for (queue, endpoint, login, remedy) in [
            ("queue", None, Login::Ambient, "not a URL"),
            ("https://u:hunter2@sqs.eu-west-1.amazonaws.com/1/q", None, Login::Ambient, "Secret"),
            (queue, Some("http://169.254.169.254"), Login::Ambient, "link-local"),
            (queue, Some("http://[fe80::1]:80"), Login::Ambient, "link-local"),
            (queue, None, keys("hunter2\n"), "access key id"),
        ] {
            let refused = source(queue, endpoint, login).check().unwrap_err();
            assert!(refused.message.contains(remedy), "{refused}");
            assert!(!refused.to_string().contains("hunter2"), "{refused}");
        }
    }
}
