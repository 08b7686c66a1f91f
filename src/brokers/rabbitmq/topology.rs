//! Policies, exchanges and bindings of one vhost, remembered between the rare readings of them.

use std::collections::HashMap;

use super::dead_letter::{self, Settings};
use super::http::{Failure, Http};
use super::lists::{Binding, Exchange, Policy, Queue};
use crate::brokers::QueueFacts;
use crate::net::percent;

#[derive(Debug, Default)]
pub struct Topology {
    policies: Option<(Vec<Policy>, Vec<Policy>)>,
    /// Type and bindings by name; `None` for an exchange that does not exist.
    exchanges: HashMap<String, Option<(String, Vec<Binding>)>>,
}

impl Topology {
    /// What the settings of `queues` say; `again`: nothing remembered is used.
    pub async fn facts(
        &mut self,
        http: &mut Http,
        vhost: &str,
        queues: &[&Queue],
        again: bool,
    ) -> Result<HashMap<String, QueueFacts>, Failure> {
        if again {
            *self = Self::default();
        }
        let mut facts = HashMap::new();
        for queue in queues {
            let dead_letter = match self.settings(http, vhost, queue).await? {
                None => None,
                Some(settings) => {
                    let exchange = self.exchange(http, vhost, &settings.exchange).await?;
                    let exchange = exchange.as_ref().map(|(kind, bindings)| (kind.as_str(), bindings.as_slice()));
                    Some(dead_letter::target(&queue.name, &settings, exchange))
                }
            };
            facts.insert(queue.name.clone(), QueueFacts { dead_letter, queue_type: queue.kind.clone() });
        }
        Ok(facts)
    }

    async fn settings(&mut self, http: &mut Http, vhost: &str, queue: &Queue) -> Result<Option<Settings>, Failure> {
        let by_policy = [&queue.policy, &queue.operator_policy].into_iter().flatten().any(|name| !name.is_empty());
        if !by_policy {
            return Ok(dead_letter::settings(queue, &[], &[]));
        }
        if self.policies.is_none() {
            let vhost = percent::encode(vhost);
            let policies = http.get(&format!("/api/policies/{vhost}")).await?;
            let operator_policies = http.get(&format!("/api/operator-policies/{vhost}")).await?;
            self.policies = Some((policies, operator_policies));
        }
        let (policies, operator_policies) = self.policies.as_ref().map_or((&[][..], &[][..]), |(p, o)| (p, o));
        Ok(dead_letter::settings(queue, policies, operator_policies))
    }

    async fn exchange(
        &mut self,
        http: &mut Http,
        vhost: &str,
        name: &str,
    ) -> Result<&Option<(String, Vec<Binding>)>, Failure> {
        if !name.is_empty() && !self.exchanges.contains_key(name) {
            let path = format!("/api/exchanges/{}/{}", percent::encode(vhost), percent::encode(name));
            let read = match http.get::<Exchange>(&path).await {
                Ok(exchange) => Some((exchange.kind, http.get(&format!("{path}/bindings/source")).await?)),
                Err(Failure::Missing) => None,
                Err(failure) => return Err(failure),
            };
            self.exchanges.insert(name.to_owned(), read);
        }
        Ok(self.exchanges.get(name).unwrap_or(&None))
    }
}
