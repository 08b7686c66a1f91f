//! Policies, exchanges and bindings of one vhost, remembered between the rare readings of them.

use std::collections::HashMap;

use super::dead_letter::{self, Settings};
use super::http::{Failure, Http};
use super::lists::{self, Binding, Exchange, Policy, Queue};
use crate::brokers::QueueFacts;
use crate::net::percent;

#[derive(Debug, Default)]
pub struct Topology {
    policies: Option<(Vec<Policy>, Vec<Policy>)>,
    /// Type and bindings by name.
    exchanges: Option<HashMap<String, (String, Vec<Binding>)>>,
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
        // A missing exchange is looked for once in a pass.
        let mut looked = false;
        for queue in queues {
            let dead_letter = match self.settings(http, vhost, queue).await? {
                None => None,
                Some(settings) => {
                    let known = self.exchanges.as_ref().is_some_and(|all| all.contains_key(&settings.exchange));
                    if !known && !settings.exchange.is_empty() && !std::mem::replace(&mut looked, true) {
                        self.exchanges = Some(exchanges(http, vhost).await?);
                    }
                    let exchange = self.exchanges.as_ref().and_then(|all| all.get(&settings.exchange));
                    let exchange = exchange.map(|(kind, bindings)| (kind.as_str(), bindings.as_slice()));
                    Some(dead_letter::target(&queue.name, &settings, exchange))
                }
            };
            facts.insert(queue.name.clone(), QueueFacts { dead_letter, queue_type: queue.kind.clone(), cluster: None });
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
}

/// All of the vhost's: two requests, however many queues have one of their own.
async fn exchanges(http: &mut Http, vhost: &str) -> Result<HashMap<String, (String, Vec<Binding>)>, Failure> {
    let vhost = percent::encode(vhost);
    let found: Vec<Exchange> = http.get(&format!("/api/exchanges/{vhost}?{}", lists::EXCHANGES)).await?;
    let bindings: Vec<Binding> = http.get(&format!("/api/bindings/{vhost}?{}", lists::BINDINGS)).await?;
    let mut exchanges: HashMap<_, _> =
        found.into_iter().map(|exchange| (exchange.name, (exchange.kind, Vec::new()))).collect();
    for binding in bindings {
        if let Some((_, bound)) = exchanges.get_mut(&binding.source) {
            bound.push(binding);
        }
    }
    Ok(exchanges)
}
