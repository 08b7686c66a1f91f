//! What must hold whatever happens. The first thing that does not ends the schedule.

use std::collections::{BTreeMap, VecDeque};

use awp::scaling::observation::{ErrorClass, QueueReading};
use serde_json::Value;

use crate::api::request::Asked;
use crate::api::store::{Kind, What};
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
    /// The pool that the write just carried out scaled.
    pub scaled: Option<String>,
    /// Pools whose operator knows since then that it scaled them, and has not told.
    pub untold: BTreeMap<String, u64>,
    /// Events of each pool.
    events: BTreeMap<String, u64>,
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
/// From the answer to a scaling write to its event.
const TELLING: u64 = 1_000;
/// A pool that had so many events may have to be silent.
const TALKATIVE: u64 = 20;
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
        self.judge_telling(asked, sent);
        let wanted = asked.body["spec"]["replicas"].as_u64();
        let (Kind::Deployment, Some(wanted)) = (asked.kind, wanted) else { return };
        let Some(live) = self.store.get(Kind::Deployment, &asked.name) else { return };
        // One that is only to be made if there is none lowers nothing.
        let anew = asked.body["metadata"]["resourceVersion"] == "1";
        if wanted < count(live, "/spec/replicas") && !anew {
            let believed = self.believed(pool_of(&asked.name));
            self.judge.expect(believed.is_ok(), || {
                format!("{asked} lowers to {wanted} on a reading that is not Known: {}", believed.unwrap_err())
            });
        }
    }

    /// Whether events follow their scalings.
    fn judge_telling(&mut self, asked: &Asked, now: u64) {
        if asked.kind == Kind::Event
            && let Some(pool) = asked.body["regarding"]["name"].as_str()
        {
            *self.judge.events.entry(pool.to_owned()).or_default() += 1;
            if asked.body["action"] == "Scale" {
                self.judge.untold.remove(pool);
            }
        }
        let Judge { untold, events, .. } = &self.judge;
        let late = untold.iter().find(|(pool, since)| {
            now > **since + TELLING && events.get(*pool).is_none_or(|events| *events < TALKATIVE)
        });
        let late = late.map(|(pool, since)| format!("{pool} was scaled, and that is not told since {since}"));
        self.judge.expect(late.is_none(), || late.unwrap_or_default());
    }

    /// The operator hears that it scaled a pool.
    pub fn judge_scaled(&mut self, pool: &str) {
        let now = self.now();
        self.judge.untold.entry(pool.to_owned()).or_insert(now);
    }

    /// What the operator was last told of the queue, if that is something to shrink on.
    fn believed(&self, pool: &str) -> Result<(), String> {
        let readers = self.readers.values().filter(|reader| reader.pool == pool);
        let Some((at, reading, empty)) = readers.filter_map(crate::queue::Reader::last).next_back() else {
            return Err("none was handed out".into());
        };
        match reading {
            QueueReading::Known(counts) => {
                let age = (EPOCH as f64 - counts.at.0) * 1000.0 + at as f64;
                if age > STALE { Err(format!("it was {age} ms old")) } else { Ok(()) }
            }
            // A queue just seen empty was not unknown for a doubt when the pass began, however long it takes.
            QueueReading::Unknown(unknown)
                if unknown.class == ErrorClass::Doubtful && empty.is_some_and(|empty| at < empty + 13_000) =>
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
        if new != old {
            self.judge.scaled = Some(pool.clone());
        }
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

    /// A write of the operator's to a ConfigMap is carried out.
    pub fn judge_map(&mut self, asked: &Asked, sent: u64, before: Option<&Value>) {
        let Some(live) = self.store.get(Kind::ConfigMap, &asked.name) else { return };
        let changed = before.is_none_or(|before| before["data"] != live["data"]);
        let ended = self.store.since(Kind::ConfigMap, 0).iter().rev().find(|change| {
            change.what == What::Deleted && change.object["metadata"]["name"] == *asked.name && change.at > sent
        });
        // One that is only to be made if there is none makes what nobody owns, and is collected.
        let anew = before.is_none() && ended.is_some() && asked.body["metadata"]["resourceVersion"] != "1";
        let newest = self.judge.newest.get(&asked.name).copied().unwrap_or(0);
        // What is made where nothing is undoes nothing.
        self.judge.expect(!changed || before.is_none() || sent >= newest, || {
            format!("{asked}, sent at {sent}, undoes what was sent at {newest}")
        });
        self.judge.expect(!anew, || format!("{asked}, sent at {sent}, makes anew what was deleted since"));
        self.judge.newest.insert(asked.name.clone(), newest.max(sent));
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
        let due = self.judge.awaited.iter().filter(|(_, until)| now > **until);
        let due: Vec<String> = due.map(|(pool, _)| pool.clone()).collect();
        for pool in due {
            self.judge.awaited.remove(&pool);
            // A worker on its way out may have taken them all the same.
            let waiting = self.queues.get(&pool).is_some_and(|queue| !queue.ready.is_empty());
            self.judge
                .expect(!waiting, || format!("{pool} has tasks for {REACTION} ms and no worker, for others' trouble"));
        }
    }
}
