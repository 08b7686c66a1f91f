//! Single stories in virtual time: what takes ten minutes takes none here.

use serde_json::Value;

use crate::action::Action;
use crate::api::store::Kind;
use crate::cluster::deployments::count;
use crate::happening::Happening;
use crate::pool::PoolPlan;
use crate::run::run;
use crate::weather::Weather;
use crate::world::World;

const SECOND: u64 = 1000;

fn story(tell: impl FnOnce(&mut World)) {
    let verdict = run(1, true, tell);
    assert_eq!(verdict.broken, None, "{}", verdict.log.join("\n"));
}

fn replicas(world: &World, pool: &str) -> Option<u64> {
    world.store.get(Kind::Deployment, pool).map(|deployment| count(deployment, "/spec/replicas"))
}

/// `Ready=False SecretNotFound`, of a pool's condition; empty where there is none.
fn condition(world: &World, pool: &str, kind: &str) -> String {
    let conditions = world.store.get(Kind::Pool, pool).map(|pool| pool["status"]["conditions"].clone());
    let all: Vec<Value> = conditions.and_then(|all| all.as_array().cloned()).unwrap_or_default();
    let found = all.iter().find(|one| one["type"] == kind);
    let text = |one: &Value, field: &str| one[field].as_str().unwrap_or_default().to_owned();
    found.map_or_else(String::new, |one| format!("{}={} {}", kind, text(one, "status"), text(one, "reason")))
}

#[test]
fn a_pool_wakes_works_and_sleeps_and_then_nothing_is_written() {
    story(|world| {
        world.stage(vec![PoolPlan::ordinary("alpha")]);
        world.judge.until_quiet = true;
        world.after(5 * SECOND, Happening::Publish { pool: "alpha".into(), tasks: 20, from: 1000, to: 9000 });
        world.after(10 * SECOND, Happening::FaultsEnd);
        world.after(12 * SECOND, Happening::Inspect);
    });
}

#[test]
fn a_pool_that_cannot_be_decoded_stands_still_and_hinders_nobody() {
    story(|world| {
        world.stage(vec![PoolPlan::ordinary("alpha"), PoolPlan::ordinary("bravo")]);
        world.judge.calm = vec!["bravo".into()];
        let publish = |pool: &str| Happening::Publish { pool: pool.into(), tasks: 12, from: 15_000, to: 25_000 };
        world.after(5 * SECOND, publish("alpha"));
        world.after(20 * SECOND, Happening::Act(Action::Garble { pool: "alpha".into(), garbled: true }));
        world.after(25 * SECOND, Happening::Check("alpha works", |world| replicas(world, "alpha") == Some(3)));
        world.after(25 * SECOND, publish("bravo"));
        world.after(30 * SECOND, Happening::Check("bravo wakes", |world| replicas(world, "bravo") == Some(3)));
        let stands = |world: &World| replicas(world, "alpha") == Some(3);
        world.after(300 * SECOND, Happening::Check("alpha stands still, long after its tasks are done", stands));
        world.after(300 * SECOND, Happening::Check("bravo sleeps", |world| replicas(world, "bravo") == Some(0)));
        world.after(301 * SECOND, Happening::Act(Action::Garble { pool: "alpha".into(), garbled: false }));
        world.after(302 * SECOND, Happening::FaultsEnd);
        world.after(303 * SECOND, Happening::Inspect);
    });
}

#[test]
fn what_is_missing_is_waited_for_and_after_ten_minutes_a_person_must_act() {
    story(|world| {
        world.stage(vec![PoolPlan::ordinary("alpha")]);
        world.act(Action::Secret { there: false });
        let waits = |world: &World| {
            condition(world, "alpha", "Ready") == "Ready=False SecretNotFound"
                && condition(world, "alpha", "Reconciling") == "Reconciling=True SecretNotFound"
                && condition(world, "alpha", "Stalled").is_empty()
        };
        world.after(5 * SECOND, Happening::Check("it is waited for", waits));
        world.after(590 * SECOND, Happening::Check("it is still waited for", waits));
        let stalled = |world: &World| {
            condition(world, "alpha", "Ready") == "Ready=False SecretNotFound"
                && condition(world, "alpha", "Stalled") == "Stalled=True SecretNotFound"
                && condition(world, "alpha", "Reconciling").is_empty()
        };
        world.after(620 * SECOND, Happening::Check("it is stalled", stalled));
        world.after(700 * SECOND, Happening::Act(Action::Secret { there: true }));
        let ready = |world: &World| {
            condition(world, "alpha", "Ready") == "Ready=True Applied"
                && condition(world, "alpha", "Stalled").is_empty()
        };
        world.after(703 * SECOND, Happening::Check("it is ready once the Secret is there", ready));
        world.after(704 * SECOND, Happening::FaultsEnd);
        world.after(705 * SECOND, Happening::Inspect);
    });
}

#[test]
fn a_config_map_that_was_long_on_its_way_undoes_no_later_one() {
    story(|world| {
        world.stage(vec![PoolPlan::ordinary("alpha")]);
        let prefetch = |tasks| Happening::Act(Action::Prefetch("alpha".into(), tasks));
        let held = Weather { held: Some(Kind::ConfigMap), ..Weather::default() };
        world.after(10 * SECOND, Happening::Weather(Box::new(held)));
        world.after(11 * SECOND, prefetch(2));
        world.after(12 * SECOND, Happening::Weather(Box::default()));
        world.after(13 * SECOND, prefetch(1));
        let says_one = |world: &World| {
            let map = world.store.get(Kind::ConfigMap, "alpha-awp");
            map.is_some_and(|map| map["data"]["AWP_PREFETCH"] == "1")
        };
        world.after(42 * SECOND, Happening::Check("the newer one is written when the older is given up", says_one));
        world.after(72 * SECOND, Happening::Check("the older one has changed nothing", says_one));
        world.after(73 * SECOND, Happening::FaultsEnd);
        world.after(74 * SECOND, Happening::Inspect);
    });
}

#[test]
fn a_scaling_is_told_while_the_status_cannot_be_written() {
    story(|world| {
        world.stage(vec![PoolPlan::ordinary("alpha")]);
        let held = Weather { held: Some(Kind::Pool), ..Weather::default() };
        world.after(10 * SECOND, Happening::Weather(Box::new(held)));
        world.after(11 * SECOND, Happening::Publish { pool: "alpha".into(), tasks: 20, from: 1000, to: 9000 });
        let told = |world: &World| world.store.all(Kind::Event).any(|event| event["reason"] == "ScaledUp");
        world.after(15 * SECOND, Happening::Check("it is told", told));
        world.after(16 * SECOND, Happening::FaultsEnd);
        world.after(17 * SECOND, Happening::Inspect);
    });
}
