//! What holds whatever comes in.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::fixtures::{self, GI, report, settings, worker};
use crate::scaling::decision::{Decision, Trust};
use crate::scaling::observation::*;
use crate::scaling::replica_set_order::{self, VICTIM_COST};
use crate::scaling::settings::{DrainSupport, Fallback, Settings};
use crate::scaling::time::Timestamp;
use crate::scaling::{State, decide};

/// A pod as it truly is, and how much of that can be seen.
#[derive(Clone, Debug)]
struct Truth {
    phase: WorkerPhase,
    held: u32,
    /// 0: silent, 1: reports now, 2: reported long ago, whatever was true then.
    report: u8,
    state: WorkerState,
    cost: i32,
    node: u8,
    age: f64,
}

prop_compose! {
    fn any_truth()(
        phase in prop_oneof![
            1 => Just(WorkerPhase::Unassigned), 1 => Just(WorkerPhase::Pending), 1 => Just(WorkerPhase::NotReady),
            5 => Just(WorkerPhase::Ready), 1 => Just(WorkerPhase::Terminating),
        ],
        held in 0_u32..5,
        idle in any::<bool>(),
        report in 0_u8..3,
        state in prop_oneof![
            4 => Just(WorkerState::Running), 1 => Just(WorkerState::Draining), 1 => Just(WorkerState::Drained),
        ],
        cost in prop_oneof![4 => Just(0), 1 => Just(-100), 1 => Just(-500), 1 => Just(7)],
        node in 0_u8..4,
        age in 0.0_f64..5000.0,
    ) -> Truth {
        let held = if idle || phase <= WorkerPhase::Pending || state == WorkerState::Drained { 0 } else { held.min(4) };
        Truth { phase, held, report, state, cost, node, age }
    }
}

#[derive(Clone, Debug)]
struct Scene {
    ready: u64,
    pods: Vec<Truth>,
    desired_off: i32,
    /// 0: unknown, 1: ready only, 2: with unacked, 3: with unacked by worker.
    sight: u8,
    reading_age: f64,
    refused: bool,
    rollout: bool,
}

prop_compose! {
    fn any_scene()(
        ready in prop_oneof![Just(0_u64), 0_u64..20, 0_u64..2000],
        pods in proptest::collection::vec(any_truth(), 0..14),
        desired_off in -2_i32..4,
        sight in 0_u8..4,
        reading_age in prop_oneof![5 => Just(0.0), 1 => 0.0_f64..60.0],
        refused in proptest::bool::weighted(0.1),
        rollout in proptest::bool::weighted(0.1),
    ) -> Scene {
        Scene { ready, pods, desired_off, sight, reading_age, refused, rollout }
    }
}

impl Scene {
    fn observation(&self, now: Timestamp) -> Observation {
        let workers: Vec<Worker> =
            self.pods.iter().enumerate().map(|(index, pod)| self.worker(index, pod, now)).collect();
        let at = now.plus(-self.reading_age);
        let total = self.pods.iter().map(|pod| u64::from(pod.held)).sum();
        let held = |(pod, worker): (&Truth, &Worker)| (worker.name.clone(), u64::from(pod.held));
        let counts = QueueCounts {
            ready: self.ready,
            at,
            unacked: (self.sight >= 2).then_some(Counted { count: total, at }),
            unacked_by_worker: (self.sight == 3)
                .then(|| CountedByWorker { counts: self.pods.iter().zip(&workers).map(held).collect(), at }),
            ..QueueCounts::default()
        };
        let present = workers.iter().filter(|worker| worker.phase != WorkerPhase::Terminating).count();
        let present = i32::try_from(present).unwrap();
        Observation {
            queue: if self.sight == 0 { unknown() } else { QueueReading::Known(counts) },
            replicas: Some(u32::try_from(present + self.desired_off).unwrap_or(0)),
            growth_refused: self.refused.then(|| "exceeded quota".to_owned()),
            workers,
        }
    }

    fn worker(&self, index: usize, pod: &Truth, now: Timestamp) -> Worker {
        let started = pod.phase > WorkerPhase::Pending;
        let created = now.plus(-pod.age - 20.0);
        let seen = match pod.report {
            1 if started => Some(Report { state: pod.state, ..report(pod.held, now.0) }),
            2 if started => Some(Report { state: pod.state, ..report(0, now.0 - 16.0 - pod.age) }),
            _ => None,
        };
        Worker {
            created,
            phase: pod.phase,
            first_ready: started.then_some(created.plus(10.0)),
            node: (pod.phase != WorkerPhase::Unassigned).then(|| pod.node.to_string()),
            deletion_cost: pod.cost,
            revision: if self.rollout && index == 0 { "two" } else { "one" }.to_owned(),
            report: seen,
            ..worker(&format!("w{index}"))
        }
    }
}

fn unknown() -> QueueReading {
    QueueReading::Unknown(Unknown {
        class: ErrorClass::Transient,
        reason: "BrokerUnreachable",
        message: "no answer".into(),
    })
}

prop_compose! {
    fn any_settings()(
        min_replicas in 0_u32..4,
        max_replicas in 4_u32..40,
        max_concurrency in proptest::option::of(1_u32..100),
        max_memory in proptest::option::of(1_u64..60),
        warm_slots in 0_u32..5,
        window in proptest::option::of(0.0_f64..60.0),
        fallback in proptest::option::of(0_u32..10),
        protocol in any::<bool>(),
        reports in any::<bool>(),
        hold in proptest::option::weighted(0.15, 0_u32..12),
    ) -> Settings {
        Settings {
            min_replicas, max_replicas, max_concurrency, warm_slots, reports,
            max_memory: max_memory.map(|gi| gi * GI),
            scale_down_window: window,
            fallback: fallback.map(|replicas| Fallback { after: 30.0, replicas }),
            drain: if protocol { DrainSupport::Protocol } else { DrainSupport::IdleOnly },
            hold_replicas: hold,
            ..settings()
        }
    }
}

/// Pods that the ReplicaSet deletes, once victims carry their cost and `applied` is written.
fn deleted(observation: &Observation, decision: &Decision, now: Timestamp) -> Vec<usize> {
    let mut workers = observation.workers.clone();
    for worker in workers.iter_mut().filter(|worker| decision.victims.contains(&worker.name)) {
        worker.deletion_cost = VICTIM_COST;
    }
    let order = replica_set_order::order(&workers, now);
    let surplus = order.len().saturating_sub(decision.applied as usize);
    order.into_iter().take(surplus).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn decisions_keep_their_promises(settings in any_settings(), scenes in proptest::collection::vec(any_scene(), 1..6)) {
        let mut now = Timestamp(1_000_000.0);
        let mut state = State::new(now);
        let (mut read, mut newest) = (false, 0.0_f64);
        for scene in scenes {
            now = now.plus(20.0);
            let observation = scene.observation(now);
            let current = observation.replicas.unwrap();
            let (after, decision) = decide(&state, &settings, &observation, now);

            // Unknown is not zero.
            if decision.trust != Trust::Known || !read {
                prop_assert!(decision.applied >= current, "lowered on {:?}: {}", decision.trust, decision.reason);
            }
            if scene.sight > 0 {
                newest = newest.max(now.0 - scene.reading_age);
            }
            prop_assert!(now.0 - newest <= 45.0 || decision.trust != Trust::Known);
            read |= scene.sight > 0;

            // Nobody busy is deleted by us. What a surplus found here loses is no decision of ours.
            if decision.applied < current && scene.desired_off >= 0 {
                for index in deleted(&observation, &decision, now) {
                    prop_assert_eq!(scene.pods[index].held, 0, "{} is busy: {}", index, decision.reason);
                }
            }
            // Nor marked. And until the ReplicaSet has chosen, marks stay where they are.
            let pods = observation.workers.iter().filter(|worker| worker.phase != WorkerPhase::Terminating);
            let choosing = pods.count() > current as usize;
            for victim in &decision.victims {
                let pod = &scene.pods[victim[1..].parse::<usize>().unwrap()];
                let right = if choosing { pod.cost == VICTIM_COST } else { pod.held == 0 };
                prop_assert!(right, "{} is marked: {}", victim, decision.reason);
            }

            // Growth stops at hard caps.
            if decision.applied > current {
                if settings.hold_replicas.is_none() {
                    prop_assert!(decision.applied <= settings.max_replicas);
                }
                if let Some(most) = settings.max_memory {
                    let leaving = scene.pods.iter().filter(|pod| pod.phase == WorkerPhase::Terminating).count() as u64;
                    prop_assert!((u64::from(decision.applied) + leaving) * 2 * GI <= most);
                }
                prop_assert!(!scene.refused);
            }
            // What is drained is not resumed, what goes does not stay.
            for name in &decision.drain {
                prop_assert!(!decision.resume.contains(name));
            }
            let numbers = decision.estimates;
            for number in [numbers.arrivals_per_second, numbers.task_duration, numbers.startup, decision.next_check] {
                prop_assert!(number.is_finite() && number >= 0.0);
            }
            prop_assert!(!decision.reason.is_empty());

            // The same again gives the same.
            let (_, again) = decide(&state, &settings, &observation, now);
            prop_assert_eq!(&again, &decision);

            // Written and seen, nothing more is to be written; but who goes may make room under a cap.
            let made_room = decision.applied < current && decision.flags.limited;
            if scene.desired_off >= 0 && !made_room {
                let gone = deleted(&observation, &decision, now);
                let mut next = observation.clone();
                next.replicas = Some(decision.applied);
                let mut index = 0;
                next.workers.retain(|_| { index += 1; !gone.contains(&(index - 1)) });
                let (_, settled) = decide(&after, &settings, &next, now);
                prop_assert!(settled.applied <= decision.applied, "{} then {}", decision.reason, settled.reason);
            }
            state = after;
        }
    }

    #[test]
    fn absurd_input_is_survived(
        counts in proptest::collection::vec(any::<u64>(), 8),
        floats in proptest::collection::vec(any::<f64>(), 10),
        numbers in proptest::collection::vec(any::<u32>(), 10),
    ) {
        let settings = Settings {
            min_replicas: numbers[0], max_replicas: numbers[1], max_concurrency: Some(numbers[2]),
            max_memory: Some(counts[0]), worker_memory: Some(counts[1]), container_memory: Some(counts[2]),
            start_within: floats[0], task_duration: floats[1], scale_down_window: Some(floats[2]),
            drain_timeout: floats[3], warm_slots: numbers[3],
            fallback: Some(Fallback { after: floats[4], replicas: numbers[4] }),
            ..fixtures::settings()
        };
        let strange = Worker {
            slots: numbers[5], memory_limit: counts[3], restarts: numbers[6], created: Timestamp(floats[5]),
            first_ready: Some(Timestamp(floats[6])), oom_killed: true,
            report: Some(Report {
                completed: Some(counts[4]), failed: Some(counts[4]), busy_seconds: Some(floats[7]),
                task_peak_memory_bytes: Some(counts[5]), ..report(numbers[7], floats[8])
            }),
            ..worker("w")
        };
        let mut state = State::new(Timestamp(floats[9]));
        for step in 0..4 {
            let at = Timestamp(f64::from(step));
            let ready = if step % 2 == 0 { counts[6] } else { counts[7] };
            let by_worker = BTreeMap::from([("w".to_owned(), counts[6]), ("x".to_owned(), counts[7])]);
            let reading = QueueCounts {
                ready, at,
                unacked: Some(Counted { count: counts[7], at }),
                unacked_by_worker: Some(CountedByWorker { counts: by_worker, at }),
                ..QueueCounts::default()
            };
            let observation = Observation {
                queue: QueueReading::Known(reading),
                workers: vec![strange.clone(), worker("x")],
                replicas: Some(numbers[8]),
                growth_refused: None,
            };
            let (after, decision) = decide(&state, &settings, &observation, at);
            let numbers = [decision.estimates.task_duration, decision.estimates.startup, decision.next_check];
            prop_assert!(numbers.iter().all(|number| number.is_finite()), "{decision:?}");
            if decision.applied > observation.replicas.unwrap() {
                prop_assert!(decision.applied <= settings.max_replicas);
            }
            state = after;
        }
    }
}
