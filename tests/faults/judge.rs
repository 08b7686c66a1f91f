//! What must hold whatever happens. The first thing that does not ends the schedule.

use std::collections::{BTreeMap, VecDeque};

use awp::scaling::observation::{ErrorClass, QueueReading};
use serde_json::Value;

use crate::api::request::Asked;
use crate::api::store::Kind;
use crate::cluster::deployments::count;
use crate::happening::Happening;
use crate::pool::PoolPlan;
use crate::world::{EPOCH, World};

#[derive(Debug, Default)]
pub struct Judge {
    pub broken: Option<String>,
    pub finished: bool,
    pub faults_ended: Option<u64>,
    /// Pools that no fault concerns: they react as on a good day.
    pub calm: Vec<String>,
    /// Whether to wait until nothing at all is written any more.
    pub until_quiet: bool,
    pub quiet_since: Option<u64>,
    pub settled_at: Option<u64>,
    /// `maxReplicas` by pool and since when.
    pub bounds: BTreeMap<String, Vec<(u64, u64)>>,
    /// When the operator last lowered a Deployment: sent and carried out.
    lowered: BTreeMap<String, (u64, u64)>,
    /// When the newest write that was carried out had been sent.
    newest: BTreeMap<String, u64>,
    /// When the last so many writes were sent.
    writes: VecDeque<u64>,
    /// Calm pools that must grow until then.
    awaited: BTreeMap<String, u64>,
}

/// Milliseconds from the look that found a worker idle to the write that lets it go: two looks, each with a
/// network between.
const SIGHT_OF_REPORTS: u64 = 2_500;
/// The same where only the broker tells: what it told is believed for 12 s, and told 5 s late.
const SIGHT_OF_BROKER: u64 = 18_000;
/// A reading this old is none, milliseconds: 15 s, or three intervals of at most 15 s.
const STALE: f64 = 45_000.0;
/// The longest that an old bound can be believed: a watch that died unnoticed.
const BELIEVED: u64 = 330_000;
/// More writes than that within [`WHILE`] milliseconds, and something goes round in circles.
const MANY: usize = 200;
const WHILE: u64 = 20_000;
/// From a publish to the write, with nothing in the way.
const REACTION: u64 = 4_000;

impl Judge {
    pub fn over(&self) -> bool {
        self.finished || self.broken.is_some()
    }

    pub fn expect(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds && self.broken.is_none() {
            self.broken = Some(otherwise());
        }
    }

    pub fn forget_lowering(&mut self, deployment: &str) {
        self.lowered.remove(deployment);
    }
}

pub fn pool_of(deployment: &str) -> &str {
    deployment.trim_start_matches("target-")
}

impl World {
    /// The operator sends a request. The Role is that of `charts/awp/templates/rbac.yaml`.
    pub fn judge_rights(&mut self, asked: &Asked) {
        let operated = !self.plans.is_empty();
        self.judge.expect(!operated || asked.allowed(), || format!("the operator has no right to {asked}"));
    }

    /// The operator sends a write.
    pub fn judge_request(&mut self, asked: &Asked, sent: u64) {
        self.judge.expect(self.judge.quiet_since.is_none(), || format!("a write where nothing changes: {asked}"));
        self.judge.writes.push_back(sent);
        self.judge.writes.retain(|at| *at + WHILE > sent);
        let many = self.judge.writes.len();
        self.judge.expect(many < MANY, || format!("{many} writes in {WHILE} ms, the last: {asked}"));
        let wanted = asked.body["spec"]["replicas"].as_u64();
        let (Kind::Deployment, Some(wanted)) = (asked.kind, wanted) else { return };
        let Some(live) = self.store.get(Kind::Deployment, &asked.name) else { return };
        if wanted < count(live, "/spec/replicas") {
            let believed = self.believed(pool_of(&asked.name), sent);
            self.judge.expect(believed.is_ok(), || {
                format!("{asked} lowers to {wanted} on a reading that is not Known: {}", believed.unwrap_err())
            });
        }
    }

    /// What the operator was last told of the queue, if that is something to shrink on.
    fn believed(&self, pool: &str, now: u64) -> Result<(), String> {
        let readers = self.readers.values().filter(|reader| reader.pool == pool);
        let Some((at, reading, empty)) = readers.filter_map(crate::queue::Reader::last).next_back() else {
            return Err("none was handed out".into());
        };
        match reading {
            QueueReading::Known(counts) => {
                let age = (EPOCH as f64 - counts.at.0) * 1000.0 + at as f64;
                if age > STALE { Err(format!("it was {age} ms old")) } else { Ok(()) }
            }
            // A queue just seen empty is not unknown for a doubt.
            QueueReading::Unknown(unknown)
                if unknown.class == ErrorClass::Doubtful && empty.is_some_and(|empty| now < empty + 13_000) =>
            {
                Ok(())
            }
            QueueReading::Unknown(unknown) => Err(unknown.reason.into()),
        }
    }

    /// A write of the operator's is carried out.
    pub fn judge_write(&mut self, asked: &Asked, sent: u64, before: Option<&Value>) {
        let now = self.now();
        let (name, old) = (&asked.name, before.map_or(0, |before| count(before, "/spec/replicas")));
        let Some(live) = self.store.get(Kind::Deployment, name) else { return };
        let new = count(live, "/spec/replicas");
        let pool = pool_of(name).to_owned();
        if new > old {
            self.judge.awaited.remove(&pool);
            let most = self.most(&pool, now);
            self.judge.expect(new <= most, || format!("{asked} grows to {new} where at most {most} are allowed"));
        }
        let newest = self.judge.newest.get(name).copied().unwrap_or(0);
        if new < old {
            self.judge.expect(sent >= newest, || {
                format!("{asked}, sent at {sent}, lowers {old} to {new} after what was sent at {newest}")
            });
            self.judge.lowered.insert(name.clone(), (sent, now));
        }
        self.judge.newest.insert(name.clone(), newest.max(sent));
    }

    /// The largest `maxReplicas` the operator can know of.
    fn most(&self, pool: &str, now: u64) -> u64 {
        let bounds = self.judge.bounds.get(pool).map_or(&[][..], Vec::as_slice);
        let until = |index: usize| bounds.get(index + 1).map_or(u64::MAX, |(from, _)| *from);
        let known = bounds.iter().enumerate().filter(|(index, _)| until(*index).saturating_add(BELIEVED) > now);
        known.map(|(_, (_, most))| *most).max().unwrap_or(u64::MAX)
    }

    /// The ReplicaSet controller deletes these.
    pub fn judge_victims(&mut self, deployment: &str, victims: &[String]) {
        let now = self.now();
        let Some((sent, at)) = self.judge.lowered.get(deployment).copied().filter(|(_, at)| now < at + 500) else {
            return;
        };
        let sight = match self.plans.get(pool_of(deployment)) {
            Some(PoolPlan { reports: true, .. }) => SIGHT_OF_REPORTS,
            Some(PoolPlan { management: true, .. }) => SIGHT_OF_BROKER,
            _ => 1000,
        };
        for pod in victims.iter().filter_map(|name| self.pods.get(name)) {
            let busy = pod.tasks.iter().map(|held| held.since).min().filter(|since| since + sight < sent);
            let moved = pod.unready_since.is_some_and(|since| since + sight > sent);
            if let Some(since) = busy.filter(|_| !moved) {
                let name = &pod.name;
                self.judge.broken.get_or_insert_with(|| {
                    format!(
                        "{name} is removed by the scale-down sent at {sent} and carried out at {at}, holding a task \
                         since {since}"
                    )
                });
            }
        }
    }

    /// Tasks arrived: a calm pool without workers must wake.
    pub fn judge_publish(&mut self, pool: &str) {
        let now = self.now();
        let Some(plan) = self.plans.get(pool).filter(|_| self.judge.calm.iter().any(|calm| calm == pool)) else {
            return;
        };
        let asleep = self.store.get(Kind::Deployment, &plan.deployment());
        if asleep.is_some_and(|deployment| count(deployment, "/spec/replicas") == 0) {
            self.judge.awaited.insert(pool.to_owned(), now + REACTION);
            self.after(REACTION + 1, Happening::Inspect);
        }
    }

    pub fn judge_reactions(&mut self) {
        let now = self.now();
        let late = self.judge.awaited.iter().find(|(_, until)| now > **until).map(|(pool, _)| pool.clone());
        self.judge.expect(late.is_none(), || {
            format!("{} has tasks for {REACTION} ms and no worker, for others' trouble", late.unwrap_or_default())
        });
    }
}
