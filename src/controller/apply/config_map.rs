//! The pool's ConfigMap: what workers learn without a rollout.

use kube::Api;
use kube::api::{ListParams, Patch};

use super::{Step, dead_letter_target, forced};
use crate::api::names::{env, owned, reasons};
use crate::brokers::DeadLetterTarget;
use crate::controller::build;
use crate::controller::dereference::Found;
use crate::controller::objects::{ConfigMap, Read};
use crate::controller::observe::Seen;
use crate::controller::validate::{Refusal, controls};

/// Seconds for which the cache may not show what was written: a watch that lags, or that is dead and not known to be.
const CACHE_LAG: f64 = 30.0;

impl Step<'_> {
    /// Writes the pool's ConfigMap where it says something else; a refusal if it is somebody else's.
    pub(super) async fn config_map(&mut self, seen: &Seen) -> kube::Result<Option<Refusal>> {
        let mut history = seen.history.clone();
        history.note(self.decision.prefetch, self.now);
        let unread = seen.facts.is_none();
        let target = dead_letter_target(self.plan, seen).or_else(|| known_target(self.found).filter(|_| unread));
        let desired = build::config_map(&self.found.pool, self.decision.prefetch, &history, target.as_ref());
        let data = &desired["data"];
        let live = self.found.config_map.as_deref();
        let lately = self
            .memory
            .config_map
            .as_ref()
            .is_some_and(|(written, at)| written == data && self.now.since(*at) < CACHE_LAG);
        if lately || live.is_some_and(|live| live.says(data)) {
            return Ok(None);
        }
        let api: Api<Read<ConfigMap>> = Api::namespaced(self.context.parts.client.clone(), &self.key.namespace);
        let name = owned::config_map(&self.key.name);
        if live.is_none() && self.is_foreign(&api, &name).await? {
            let message =
                format!("a ConfigMap {name} is here already and not this pool's; rename the pool, or delete it");
            return Ok(Some(Refusal::wrong(reasons::NAME_TAKEN, message)));
        }
        api.patch(&name, &forced(), &Patch::Apply(&desired)).await?;
        self.memory.config_map = Some((desired["data"].clone(), self.now));
        Ok(None)
    }

    /// The watch sees only ConfigMaps with the pool's label: before one is made, its name is looked up.
    async fn is_foreign(&self, api: &Api<Read<ConfigMap>>, name: &str) -> kube::Result<bool> {
        let there = api.list(&ListParams::default().fields(&format!("metadata.name={name}"))).await?.items;
        Ok(there.first().is_some_and(|map| !controls(&self.found.pool, map.kept.controller.as_deref())))
    }
}

/// What the ConfigMap says already: kept while the broker cannot be asked.
fn known_target(found: &Found) -> Option<DeadLetterTarget> {
    let map = found.config_map.as_ref()?;
    if let Some(queue) = map.get(env::DEAD_LETTER) {
        return Some(DeadLetterTarget::Queue(queue.to_owned()));
    }
    Some(DeadLetterTarget::Exchange {
        exchange: map.get(env::DEAD_LETTER_EXCHANGE)?.to_owned(),
        routing_key: map.get(env::DEAD_LETTER_ROUTING_KEY)?.to_owned(),
        queue: None,
    })
}
