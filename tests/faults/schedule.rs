//! A schedule: pools, load, faults, all drawn from one seed.

use std::collections::BTreeSet;

use crate::action::Action;
use crate::api::store::Kind;
use crate::dice::Dice;
use crate::happening::Happening;
use crate::pool::PoolPlan;
use crate::queue::Trouble;
use crate::weather::Weather;
use crate::world::World;

/// Pools of a schedule, at most.
const NAMES: [&str; 3] = ["alpha", "bravo", "charlie"];

impl World {
    /// What every schedule begins with.
    pub fn stage(&mut self, plans: Vec<PoolPlan>) {
        self.secret(true);
        for plan in plans {
            let pool = plan.name.clone();
            let now = self.now();
            if plan.target {
                let replicas = self.dice.between(0, 2).min(plan.max);
                let _ = self.store.create(Kind::Deployment, plan.target_manifest(replicas), now);
                self.wake_deployment(&plan.deployment());
            }
            self.judge.bounds.insert(pool.clone(), vec![(0, plan.max)]);
            self.queues.insert(pool.clone(), crate::queue::Queue::default());
            self.plans.insert(pool.clone(), plan);
            self.create_pool(&pool);
            self.soon(0, 5000, Happening::Emit(pool));
        }
        self.after(1, Happening::Operator(true));
    }

    /// The rest of it: load and faults, and their end.
    pub fn schedule(&mut self) {
        let mut dice = self.dice.split();
        let count = dice.one_of(&[1, 1, 1, 2, 2, NAMES.len()]);
        let isolated = count > 1 && dice.chance(0.3);
        let mut plans: Vec<PoolPlan> = NAMES[..count].iter().map(|name| PoolPlan::drawn(name, &mut dice)).collect();
        if isolated {
            for plan in &mut plans[1..] {
                *plan = PoolPlan { task: plan.task, boot: plan.boot, ..PoolPlan::ordinary(&plan.name) };
            }
            self.judge.calm = plans[1..].iter().map(|plan| plan.name.clone()).collect();
        }
        self.judge.until_quiet = dice.chance(0.06);
        let troubled = if isolated { 1 } else { count };
        let length = dice.between(20_000, 90_000);
        for plan in &plans {
            self.load(plan, length, &mut dice);
        }
        for plan in &plans[..troubled] {
            self.trouble(plan, length, &mut dice);
        }
        let only = isolated.then(|| NAMES[0].to_owned());
        self.storms(length, only.as_ref(), &mut dice);
        if !isolated {
            self.restarts(length, &mut dice);
        }
        self.after(length, Happening::FaultsEnd);
        let last = plans.iter().map(|plan| (plan.name.clone(), plan.task)).collect::<Vec<_>>();
        for (pool, (from, to)) in last {
            let tasks = dice.between(1, 6);
            self.after(length + dice.between(0, 5000), Happening::Publish { pool, tasks, from, to });
        }
        self.after(length + 6000, Happening::Inspect);
        self.stage(plans);
    }

    fn load(&mut self, plan: &PoolPlan, length: u64, dice: &mut Dice) {
        for _ in 0..dice.between(1, 6) {
            let tasks = dice.one_of(&[1, 2, 5, 12, 25]);
            let (pool, (from, to)) = (plan.name.clone(), plan.task);
            self.after(dice.between(0, length), Happening::Publish { pool, tasks, from, to });
        }
    }

    /// Faults of one pool, each with its end before the schedule's.
    fn trouble(&mut self, plan: &PoolPlan, length: u64, dice: &mut Dice) {
        for _ in 0..dice.between(0, 3) {
            let trouble = dice.one_of(&[
                Trouble::Unreachable,
                Trouble::Doubtful,
                Trouble::Misconfigured,
                Trouble::Frozen,
                Trouble::NoCounts,
            ]);
            let (from, to) = span(length, dice);
            self.after(from, Happening::Broker(plan.name.clone(), trouble));
            self.after(to, Happening::Broker(plan.name.clone(), Trouble::None));
        }
        if dice.chance(0.3) {
            let (from, to) = span(length, dice);
            self.after(from, Happening::Mute(plan.name.clone(), true));
            self.after(to, Happening::Mute(plan.name.clone(), false));
        }
        for _ in 0..dice.between(0, 3) {
            let trip = Action::Trip { pool: plan.name.clone(), out_of_memory: dice.chance(0.4) };
            self.after(dice.between(0, length), Happening::Act(trip));
        }
        for _ in 0..dice.between(0, 2) {
            self.act_on(plan, length, dice);
        }
    }

    fn act_on(&mut self, plan: &PoolPlan, length: u64, dice: &mut Dice) {
        let pool = || plan.name.clone();
        let (from, to) = span(length, dice);
        match dice.between(0, 8) {
            0 => {
                let min = dice.between(0, 2);
                let max = min + dice.between(1, 6);
                self.after(from, Happening::Act(Action::Bound { pool: pool(), min, max }));
            }
            1 => self.after(from, Happening::Act(Action::Roll(pool()))),
            2 => {
                self.after(from, Happening::Act(Action::Hold(pool(), Some(dice.between(0, plan.max)))));
                self.after(to, Happening::Act(Action::Hold(pool(), None)));
            }
            3 => self.after(from, Happening::Act(Action::DeleteDeployment(pool()))),
            4 => self.after(from, Happening::Act(Action::Recreate(pool()))),
            5 => {
                self.after(from, Happening::Act(Action::Autoscaler { pool: pool(), there: true }));
                self.after(to, Happening::Act(Action::Autoscaler { pool: pool(), there: false }));
            }
            6 => {
                let replicas = dice.between(0, plan.max);
                self.after(from, Happening::Act(Action::Scale { pool: pool(), replicas }));
            }
            7 if !plan.target => {
                self.after(from, Happening::Act(Action::Prefetch(pool(), dice.one_of(&[1, 2, 4]))));
                self.after(to, Happening::Act(Action::Prefetch(pool(), dice.one_of(&[1, 2, 4]))));
            }
            _ => {
                self.after(from, Happening::Act(Action::Garble { pool: pool(), garbled: true }));
                self.after(to, Happening::Act(Action::Garble { pool: pool(), garbled: false }));
            }
        }
    }

    /// Bad weather on the way to the API server.
    fn storms(&mut self, length: u64, only: Option<&String>, dice: &mut Dice) {
        for _ in 0..dice.between(1, 4) {
            let mut weather = Weather { only: only.cloned(), ..Weather::default() };
            let some = |dice: &mut Dice, most: f64| if dice.chance(0.4) { dice.share() * most } else { 0.0 };
            weather.refuse = some(dice, 0.6);
            weather.lose = some(dice, 0.4);
            weather.hang = some(dice, 0.2);
            weather.slow = dice.one_of(&[0, 0, 50, 500, 3000]);
            weather.lag = dice.one_of(&[0, 0, 200, 3000, 15_000]);
            if dice.chance(0.25) {
                let kinds = [Kind::Pool, Kind::Deployment, Kind::ReplicaSet, Kind::Pod, Kind::ConfigMap];
                weather.silent = BTreeSet::from([dice.one_of(&kinds), dice.one_of(&kinds)]);
            }
            if dice.chance(0.2) {
                weather.held = Some(dice.one_of(&[Kind::Pool, Kind::Deployment, Kind::ConfigMap]));
            }
            let (from, to) = span(length, dice);
            let after = Weather { only: only.cloned(), ..Weather::default() };
            self.after(from, Happening::Weather(Box::new(weather)));
            self.after(to, Happening::Weather(Box::new(after)));
        }
        if only.is_none() {
            for _ in 0..dice.between(0, 3) {
                let at = dice.between(0, length);
                self.after(at, if dice.chance(0.6) { Happening::CutWatches } else { Happening::Compact });
            }
            if dice.chance(0.2) {
                let (from, to) = span(length, dice);
                self.after(from, Happening::Act(Action::Secret { there: false }));
                self.after(to, Happening::Act(Action::Secret { there: true }));
            }
        }
    }

    fn restarts(&mut self, length: u64, dice: &mut Dice) {
        for _ in 0..dice.one_of(&[0, 0, 1, 2]) {
            let at = dice.between(100, length);
            self.after(at, Happening::Operator(false));
            self.after(at + dice.between(10, 8000), Happening::Operator(true));
        }
    }
}

/// A part of the schedule.
fn span(length: u64, dice: &mut Dice) -> (u64, u64) {
    let from = dice.between(0, length * 9 / 10);
    (from, (from + dice.between(1000, 60_000)).min(length))
}
