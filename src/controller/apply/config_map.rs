//! The pool's ConfigMap: what workers learn without a rollout. As a number of replicas, it is written on what is there at
//! this moment: an apply that was long on its way undoes no later one, and makes no deleted ConfigMap anew.

use std::collections::BTreeMap;

use kube::Api;
use kube::api::{ListParams, Patch};

use super::{Outcome, Step, dead_letter_target, forced, is_conflict, mean};
use crate::api::names::{env, owned, reasons};
use crate::brokers::DeadLetterTarget;
use crate::controller::build;
use crate::controller::objects::{ConfigMap, Read};
use crate::controller::observe::Seen;
use crate::controller::pods::PrefetchHistory;
use crate::controller::validate::{Refusal, controls};

/// Seconds for which the cache may not show what was written: a watch that lags, or that is dead and not known to be.
const CACHE_LAG: f64 = 30.0;

type Data = BTreeMap<String, String>;

impl Step<'_> {
    /// Writes the pool's ConfigMap where it says something else; an outcome if the pass ends with that.
    pub(super) async fn config_map(&mut self, seen: &Seen) -> kube::Result<Option<Outcome>> {
        let cached = self.found.config_map.as_deref();
        let data = self.config_data(seen, cached);
        if cached.is_some_and(|map| map.says(&data)) || self.lately_written(&data) {
            return Ok(None);
        }
        // Mostly there is none yet, and nothing to look at.
        if cached.is_none() && self.write_config_map(data, None).await? {
            return Ok(None);
        }
        let fresh = self.fresh_config_map().await?;
        let fresh = fresh.as_ref();
        if fresh.is_some_and(|map| !controls(&self.found.pool, map.controller.as_deref())) {
            let message = format!(
                "a ConfigMap {} is here already and not this pool's; rename the pool, or delete it",
                owned::config_map(&self.key.name)
            );
            let refusal = Some(Refusal::wrong(reasons::NAME_TAKEN, message));
            return Ok(Some(Outcome { scaled: None, refusal }));
        }
        let data = self.config_data(seen, fresh);
        if fresh.is_some_and(|map| map.says(&data)) {
            self.memory.config_map = Some((data, self.now));
            return Ok(None);
        }
        Ok(if self.write_config_map(data, fresh).await? { None } else { Some(self.overtaken()) })
    }

    /// Past the cache, which lags, and sees only ConfigMaps with the pool's label.
    async fn fresh_config_map(&self) -> kube::Result<Option<ConfigMap>> {
        let named = format!("metadata.name={}", owned::config_map(&self.key.name));
        let mut there = self.config_maps().list(&ListParams::default().fields(&named)).await?.items;
        Ok(there.pop().map(|read| read.kept))
    }

    /// On `fresh` and no other, `None` = there is none; answers whether it was so.
    async fn write_config_map(&mut self, data: Data, fresh: Option<&ConfigMap>) -> kube::Result<bool> {
        let mut history = PrefetchHistory::noted_on(fresh);
        history.note(self.decision.prefetch, self.now);
        let mut desired = build::config_map(&self.found.pool, &data, &history);
        mean(&mut desired, fresh.map(|map| (&*map.uid, &*map.resource_version)));
        let name = owned::config_map(&self.key.name);
        match self.config_maps().patch(&name, &forced(), &Patch::Apply(&desired)).await {
            Err(error) if is_conflict(&error) => return Ok(false),
            written => drop(written?),
        }
        self.memory.config_map = Some((data, self.now));
        Ok(true)
    }

    fn config_maps(&self) -> Api<Read<ConfigMap>> {
        Api::namespaced(self.context.parts.client.clone(), &self.key.namespace)
    }

    /// `live`: as it is, for what is kept of it.
    fn config_data(&self, seen: &Seen, live: Option<&ConfigMap>) -> Data {
        let unread = seen.facts.is_none();
        let target = dead_letter_target(self.plan, seen).or_else(|| known_target(live?).filter(|_| unread));
        build::config_data(self.decision.prefetch, target)
    }

    fn lately_written(&self, data: &Data) -> bool {
        let written = self.memory.config_map.as_ref();
        written.is_some_and(|(written, at)| written == data && self.now.since(*at) < CACHE_LAG)
    }
}

/// What the ConfigMap says already: kept while the broker cannot be asked.
fn known_target(map: &ConfigMap) -> Option<DeadLetterTarget> {
    if let Some(queue) = map.get(env::DEAD_LETTER) {
        return Some(DeadLetterTarget::Queue(queue.to_owned()));
    }
    Some(DeadLetterTarget::Exchange {
        exchange: map.get(env::DEAD_LETTER_EXCHANGE)?.to_owned(),
        routing_key: map.get(env::DEAD_LETTER_ROUTING_KEY)?.to_owned(),
        queue: None,
    })
}
