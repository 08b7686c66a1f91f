//! Nothing but the queue's counts tells what workers do (SQS without a status endpoint), and they may be a
//! minute old: replicas fall one busy worker at a time, and a pod's own SIGTERM handling is its drain.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::fixtures::{observation, settings, worker};
use crate::scaling::decision::{Bound, Trust};
use crate::scaling::observation::{Counted, QueueCounts, QueueReading, Worker};
use crate::scaling::settings::{DrainSupport, Settings};
use crate::scaling::time::Timestamp;
use crate::scaling::{State, decide};

fn by_counts() -> Settings {
    Settings { drain: DrainSupport::Sigterm, reports: false, max_replicas: 40, ..settings() }
}

/// A reading that is `proved` where it finds nothing.
fn counts(ready: u64, in_flight: u64, proved: bool, at: f64) -> QueueCounts {
    QueueCounts {
        ready,
        at: Timestamp(at),
        unacked: Some(Counted { count: in_flight, at: Timestamp(at) }),
        unsettled: ready + in_flight == 0 && !proved,
        ..QueueCounts::default()
    }
}

fn workers(count: u32) -> Vec<Worker> {
    (0..count).map(|index| worker(&format!("w{index}"))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn replicas_fall_one_busy_worker_a_minute_and_to_zero_only_on_a_proved_zero(
        looks in proptest::collection::vec((0_u64..60, 0_u64..60, any::<bool>(), any::<bool>()), 1..80),
        fleet in 0_u32..20,
        window in proptest::option::of(0.0_f64..30.0),
    ) {
        let settings = Settings { scale_down_window: window, ..by_counts() };
        let mut state = State::new(Timestamp(0.0));
        let (mut replicas, mut stepped) = (fleet, None::<f64>);
        for (index, (ready, in_flight, proved, empty)) in looks.into_iter().enumerate() {
            let now = index as f64 * 5.0;
            let (ready, in_flight) = if empty { (0, 0) } else { (ready, in_flight) };
            let counts = counts(ready, in_flight, proved, now);
            let unsettled = counts.unsettled;
            let idle = in_flight == 0 && !unsettled;
            let seen = observation(QueueReading::Known(counts), workers(replicas));
            let (next, decision) = decide(&state, &settings, &seen, Timestamp(now));
            prop_assert_eq!(decision.trust, Trust::Known);
            prop_assert!(!decision.flags.scale_down_blind);
            if decision.applied < replicas && !idle {
                prop_assert_eq!(decision.applied, replicas - 1, "one at a time: {}", decision.reason);
                prop_assert!(stepped.is_none_or(|at| now - at >= 60.0), "again after {:?} at {}", stepped, now);
                stepped = Some(now);
            }
            if unsettled && replicas > 0 {
                prop_assert!(decision.applied > 0, "to zero though tasks may be hidden: {}", decision.reason);
            }
            state = next;
            replicas = decision.applied;
        }
    }
}

#[test]
fn the_last_worker_stays_until_the_queue_is_proved_empty_and_nobody_wakes_for_a_doubt() {
    let seen = |pods, proved, at| observation(QueueReading::Known(counts(0, 0, proved, at)), workers(pods));
    let mut state = State::new(Timestamp(0.0));
    for second in 0..120 {
        let now = f64::from(second);
        let (next, decision) = decide(&state, &by_counts(), &seen(1, false, now), Timestamp(now));
        assert_eq!(decision.applied, 1, "{}", decision.reason);
        state = next;
    }
    let (state, decision) = decide(&state, &by_counts(), &seen(1, true, 121.0), Timestamp(121.0));
    assert_eq!(decision.applied, 0, "{}", decision.reason);
    let (_, decision) = decide(&state, &by_counts(), &seen(0, false, 141.0), Timestamp(141.0));
    assert_eq!((decision.applied, decision.bound_by), (0, Bound::Demand), "{}", decision.reason);
}

/// A worker of the little world below: it begins no task after SIGTERM, finishes those it has, and ends.
#[derive(Debug)]
struct Pod {
    name: String,
    born: f64,
    told: bool,
    ends: Vec<f64>,
}

/// Runs `tasks` seconds-long tasks, all there at 0, with counts that are `lag` seconds old; answers the
/// tasks done, the most workers, and when the last one was gone.
fn play(mut tasks: VecDeque<f64>, lag: usize) -> (usize, usize, f64) {
    const BOOT: f64 = 10.0;
    let settings = by_counts();
    let (all, mut done, mut most) = (tasks.len(), 0, 0);
    let (mut state, mut pods, mut born) = (State::new(Timestamp(0.0)), Vec::<Pod>::new(), 0);
    let mut told: VecDeque<(u64, u64)> = VecDeque::new();
    let mut zeros = 0;
    for second in 0..20_000 {
        let now = f64::from(second);
        for pod in &mut pods {
            let before = pod.ends.len();
            pod.ends.retain(|end| *end > now);
            done += before - pod.ends.len();
            while !pod.told && now - pod.born >= BOOT && pod.ends.len() < 4 {
                let Some(task) = tasks.pop_front() else { break };
                pod.ends.push(now + task);
            }
        }
        pods.retain(|pod| !pod.told || !pod.ends.is_empty());
        told.push_back((tasks.len() as u64, pods.iter().map(|pod| pod.ends.len() as u64).sum()));
        if told.len() > lag + 1 {
            told.pop_front();
        }
        let (ready, in_flight) = told[0];
        zeros = if ready + in_flight == 0 { zeros + 1 } else { 0 };
        let view = |pod: &Pod| Worker {
            created: Timestamp(pod.born),
            first_ready: (now - pod.born >= BOOT).then_some(Timestamp(pod.born + BOOT)),
            phase: match (pod.told, now - pod.born >= BOOT) {
                (true, _) => crate::scaling::observation::WorkerPhase::Terminating,
                (false, true) => crate::scaling::observation::WorkerPhase::Ready,
                (false, false) => crate::scaling::observation::WorkerPhase::NotReady,
            },
            ..worker(&pod.name)
        };
        let reading = QueueReading::Known(counts(ready, in_flight, zeros >= 75, now));
        let seen = observation(reading, pods.iter().map(view).collect());
        let (next, decision) = decide(&state, &settings, &seen, Timestamp(now));
        state = next;
        let active = pods.iter().filter(|pod| !pod.told).count();
        for _ in active..decision.applied as usize {
            pods.push(Pod { name: format!("p{born}"), born: now, told: false, ends: vec![] });
            born += 1;
        }
        for name in decision.victims.iter().take(active.saturating_sub(decision.applied as usize)) {
            pods.iter_mut().filter(|pod| pod.name == *name).for_each(|pod| pod.told = true);
        }
        most = most.max(pods.len());
        if done == all && pods.is_empty() {
            return (done, most, now);
        }
    }
    panic!("{done} of {all} done, {} pods left", pods.len());
}

#[test]
fn a_burst_is_done_whole_and_the_pool_sleeps_again_however_old_the_counts_are() {
    let tasks: VecDeque<f64> = (0..100).map(|task| if task % 10 == 0 { 600.0 } else { 60.0 }).collect();
    for lag in [0, 5, 30, 60] {
        let (done, most, gone) = play(tasks.clone(), lag);
        assert_eq!(done, 100, "lag {lag}");
        assert!(most <= 26, "lag {lag}: {most} workers for 100 tasks of 4 a worker");
        assert!(gone < 600.0 + 10.0 + 75.0 + 2.0 * lag as f64 + 90.0, "lag {lag}: asleep at {gone}");
    }
}

#[test]
fn message_groups_bound_the_slots_and_not_the_number_of_tasks() {
    for (groups, most) in [(3_u64, 2), (500, 40)] {
        let (mut state, mut replicas) = (State::new(Timestamp(0.0)), 0_u32);
        for second in 0..600 {
            let now = f64::from(second);
            let busy = groups.min(u64::from(replicas) * 4);
            let counts = QueueCounts { message_groups: true, ..counts(10_000 - busy, busy, true, now) };
            let seen = observation(QueueReading::Known(counts), workers(replicas));
            let (next, decision) = decide(&state, &by_counts(), &seen, Timestamp(now));
            assert!(decision.applied <= most, "{groups} groups at {now}: {}", decision.reason);
            if second == 0 {
                assert_eq!((decision.applied, decision.bound_by), (1, Bound::MessageGroups), "{}", decision.reason);
            }
            state = next;
            replicas = decision.applied;
        }
        assert_eq!(replicas, if groups == 3 { 1 } else { 40 }, "{groups} groups");
    }
}
