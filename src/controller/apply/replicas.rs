//! How many replicas to write, and on what.
//!
//! A cache lags, and a write may be held up on its way. So every number is written on the Deployment as it is at this
//! moment and names its version: what was overtaken is refused, and undoes nothing.

use kube::Api;

use super::Step;
use crate::controller::objects::{Deployment, Read};
use crate::scaling::settings::Mode;

impl Step<'_> {
    /// The number that was decided, before anybody looks at what is possible.
    pub(super) async fn wanted_replicas(&mut self, from: u32) -> kube::Result<u32> {
        if self.plan.settings.mode == Mode::Recommend {
            // The number there is, only repeated.
            return Ok(from);
        }
        self.mark_victims().await?;
        Ok(self.decision.applied)
    }

    /// The Deployment at this moment; `None` = it is not the one that was decided on, and the pool looks again.
    pub(super) async fn fresh(&mut self, live: &Deployment, from: u32) -> kube::Result<Option<Deployment>> {
        let fresh = self.deployment_now(&live.name).await?;
        let Some(fresh) = fresh.filter(|fresh| fresh.uid == live.uid) else { return Ok(None) };
        if fresh.replicas == from {
            return Ok(Some(fresh));
        }
        // A write whose answer was lost, or somebody else's: known from here on, whenever the watch will tell.
        self.remember_written(live, fresh.replicas);
        self.memory.wake.notify_one();
        Ok(None)
    }

    /// Past the cache.
    pub(super) async fn deployment_now(&self, name: &str) -> kube::Result<Option<Deployment>> {
        let api: Api<Read<Deployment>> = Api::namespaced(self.context.parts.client.clone(), &self.key.namespace);
        Ok(api.get_opt(name).await?.map(|read| read.kept))
    }

    /// Up at once, down only by workers that hold nothing.
    pub(super) async fn possible_replicas(
        &mut self,
        live: &Deployment,
        fresh: &Deployment,
        from: u32,
        wanted: u32,
    ) -> kube::Result<u32> {
        if wanted >= from {
            return Ok(wanted);
        }
        // A new generation may be a rollout that the caches do not show yet.
        if fresh.generation != live.generation {
            return Ok(from);
        }
        Ok(from - self.removable(fresh, from, from - wanted).await?)
    }
}
