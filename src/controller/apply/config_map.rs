//! The pool's ConfigMap: what workers learn without a rollout. As a number of replicas, it is written on what is there at
//! this moment: an apply that was long on its way undoes no later one, and makes no deleted ConfigMap anew.

use std::collections::BTreeMap;

use super::{Outcome, Step, dead_letter_target, forced, is_conflict, mean};
use crate::api::names::{env, owned, reasons};
use crate::brokers::DeadLetterTarget;
use crate::controller::build;
use crate::controller::observe::Seen;
use crate::controller::pods::PrefetchHistory;
use crate::controller::validate::{Refusal, is_controlled_by};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ListParams, Patch};

/// Seconds for which the cache may not show what was written: a watch that lags, or that is dead and not known to be.
const CACHE_LAG: f64 = 30.0;

impl Step<'_> {
    /// Writes the pool's ConfigMap where it says something else; an outcome if the pass ends with that.
    pub(super) async fn config_map(&mut self, seen: &Seen) -> kube::Result<Option<Outcome>> {
        let cached = self.found.config_map.as_deref();
        let data = self.config_data(seen, cached);
        if cached.is_some_and(|map| map.data.as_ref() == Some(&data)) || self.lately_written(&data) {
            return Ok(None);
        }
        let api: Api<ConfigMap> = Api::namespaced(self.context.parts.client.clone(), &self.key.namespace);
        let name = owned::config_map(&self.key.name);
        // Past the cache, which lags, and sees only ConfigMaps with the pool's label.
        let fresh = api.list(&ListParams::default().fields(&format!("metadata.name={name}"))).await?.items.pop();
        if fresh.as_ref().is_some_and(|map| !is_controlled_by(&self.found.pool, &map.metadata)) {
            let message =
                format!("a ConfigMap {name} is here already and not this pool's; rename the pool, or delete it");
            let refusal = Some(Refusal::wrong(reasons::NAME_TAKEN, message));
            return Ok(Some(Outcome { scaled: None, refusal }));
        }
        let data = self.config_data(seen, fresh.as_ref());
        if fresh.as_ref().is_none_or(|map| map.data.as_ref() != Some(&data)) {
            let mut history = PrefetchHistory::noted_on(fresh.as_ref());
            history.note(self.decision.prefetch, self.now);
            let mut desired = build::config_map(&self.found.pool, &data, &history);
            mean(&mut desired, fresh.as_ref().map(|map| &map.metadata));
            match api.patch(&name, &forced(), &Patch::Apply(&desired)).await {
                Err(error) if is_conflict(&error) => return Ok(Some(self.overtaken())),
                written => drop(written?),
            }
        }
        self.memory.config_map = Some((data, self.now));
        Ok(None)
    }

    /// `live`: as it is, for what is kept of it.
    fn config_data(&self, seen: &Seen, live: Option<&ConfigMap>) -> BTreeMap<String, String> {
        let unread = seen.facts.is_none();
        let target = dead_letter_target(self.plan, seen).or_else(|| known_target(live?).filter(|_| unread));
        build::config_data(self.decision.prefetch, target)
    }

    fn lately_written(&self, data: &BTreeMap<String, String>) -> bool {
        let written = self.memory.config_map.as_ref();
        written.is_some_and(|(written, at)| written == data && self.now.since(*at) < CACHE_LAG)
    }
}

/// What the ConfigMap says already: kept while the broker cannot be asked.
fn known_target(map: &ConfigMap) -> Option<DeadLetterTarget> {
    let data = map.data.as_ref()?;
    if let Some(queue) = data.get(env::DEAD_LETTER) {
        return Some(DeadLetterTarget::Queue(queue.clone()));
    }
    Some(DeadLetterTarget::Exchange {
        exchange: data.get(env::DEAD_LETTER_EXCHANGE)?.clone(),
        routing_key: data.get(env::DEAD_LETTER_ROUTING_KEY)?.clone(),
        queue: None,
    })
}
