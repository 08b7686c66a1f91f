//! The readable tables of `cases/`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::fixtures::{self, GI, MI, worker};
use crate::scaling::arrivals::Arrivals;
use crate::scaling::decision::Decision;
use crate::scaling::law::{Terms, free_slots};
use crate::scaling::observation::*;
use crate::scaling::prefetch::prefetch;
use crate::scaling::settings::{DrainSupport, Fallback, Mode, Prefetch, Settings};
use crate::scaling::time::Timestamp;
use crate::scaling::{State, decide};

/// Runs `check` on each case and tells all that differ at once.
fn each<Case: DeserializeOwned>(table: &str, check: impl Fn(Case) -> Result<(), String>) {
    let cases: Vec<Case> = serde_saphyr::from_str(table).unwrap();
    let failures: Vec<String> = cases.into_iter().filter_map(|case| check(case).err()).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn same<T: PartialEq + std::fmt::Debug>(it: &str, what: &str, expected: &T, got: &T) -> Result<(), String> {
    if expected == got { Ok(()) } else { Err(format!("{it}: {what} is {got:?}, expected {expected:?}")) }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LawCase {
    it: String,
    slots: f64,
    #[serde(default)]
    in_flight: f64,
    #[serde(default)]
    ages: Vec<f64>,
    #[serde(default = "sixty")]
    task_duration: f64,
    #[serde(default = "twenty")]
    startup: f64,
    #[serde(default)]
    arrivals_per_second: f64,
    #[serde(default)]
    warm_slots: u32,
    wants: f64,
    short: Option<f64>,
    /// The answer is below the slots there are.
    #[serde(default)]
    shrinks: bool,
}

fn sixty() -> f64 {
    60.0
}

fn twenty() -> f64 {
    20.0
}

#[test]
fn the_law_wants_what_the_table_says() {
    each(include_str!("../cases/law.yaml"), |case: LawCase| {
        let now = Timestamp(1000.0);
        let mut queue = Arrivals::default();
        for age in &case.ages {
            queue.arrive(now.plus(-age), 1);
        }
        let terms = Terms {
            in_flight: case.in_flight,
            slots: case.slots,
            task_duration: case.task_duration,
            startup: case.startup,
            interval: 2.0,
            start_within: 60.0,
            free_slots: free_slots(case.arrivals_per_second, case.startup, 2.0, 60.0, case.warm_slots),
        };
        let demand = terms.demand(&queue, now);
        same(&case.it, "wanted", &case.wants, &demand.slots)?;
        same(&case.it, "shrinks", &case.shrinks, &(demand.slots < case.slots))?;
        case.short.map_or(Ok(()), |short| same(&case.it, "short", &short, &demand.short))
    });
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PrefetchCase {
    it: String,
    limit_mi: Option<u64>,
    task_mi: Option<u64>,
    before: Option<u32>,
    max_concurrency: Option<u32>,
    fixed: Option<u32>,
    holds: u32,
    #[serde(default)]
    limit_missing: bool,
    needed_mi: Option<u64>,
}

#[test]
fn a_worker_holds_what_the_table_says() {
    each(include_str!("../cases/prefetch.yaml"), |case: PrefetchCase| {
        let auto =
            Prefetch::Auto { min: 1, max: 16, base_memory: 256 * MI, task_memory: 300 * MI, headroom_percent: 20 };
        let settings = Settings {
            prefetch: case.fixed.map_or(auto, Prefetch::Fixed),
            container_memory: case.limit_mi.map(|mi| mi * MI),
            max_concurrency: case.max_concurrency,
            ..fixtures::settings()
        };
        let holding = prefetch(&settings, case.task_mi.unwrap_or(300) * MI, case.before);
        same(&case.it, "tasks", &case.holds, &holding.tasks)?;
        same(&case.it, "limit missing", &case.limit_missing, &holding.limit_missing)?;
        same(&case.it, "needed", &case.needed_mi, &holding.needed.map(|bytes| bytes.div_ceil(MI)))
    });
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "a line of a table, not a state")]
struct DecideCase {
    it: String,
    #[serde(default)]
    ready: u64,
    unacked: Option<u64>,
    by_worker: Option<BTreeMap<String, u64>>,
    pods: Vec<String>,
    replicas: Option<u32>,
    #[serde(default)]
    costs: BTreeMap<String, i32>,
    #[serde(default)]
    revisions: BTreeMap<String, String>,
    #[serde(default)]
    window: f64,
    #[serde(default)]
    unknown: bool,
    #[serde(default)]
    reading_age: f64,
    #[serde(default = "one")]
    wait: f64,
    fallback: Option<FallbackCase>,
    #[serde(default)]
    min_replicas: u32,
    max_replicas: Option<u32>,
    max_concurrency: Option<u32>,
    max_memory_gi: Option<u64>,
    #[serde(default)]
    single_active_consumer: bool,
    #[serde(default)]
    unsettled: bool,
    #[serde(default)]
    message_groups: bool,
    refused: Option<String>,
    hold: Option<u32>,
    mode: Option<String>,
    drain: Option<String>,
    reports: Option<bool>,
    expect: Expected,
}

fn one() -> f64 {
    1.0
}

#[derive(Deserialize)]
struct FallbackCase {
    after: f64,
    replicas: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    wanted: Option<u32>,
    granted: Option<u32>,
    applied: u32,
    bound: Option<String>,
    reason: Option<String>,
    victims: Option<Vec<String>>,
    draining: Option<Vec<String>>,
    drain: Option<Vec<String>>,
    resume: Option<Vec<String>>,
}

impl DecideCase {
    fn settings(&self) -> Settings {
        Settings {
            mode: match self.mode.as_deref() {
                Some("Recommend") => Mode::Recommend,
                Some("Paused") => Mode::Paused,
                _ => Mode::Auto,
            },
            hold_replicas: self.hold,
            min_replicas: self.min_replicas,
            max_replicas: self.max_replicas.unwrap_or(100),
            max_concurrency: self.max_concurrency,
            max_memory: self.max_memory_gi.map(|gi| gi * GI),
            scale_down_window: Some(self.window),
            fallback: self.fallback.as_ref().map(|f| Fallback { after: f.after, replicas: f.replicas }),
            reports: self.reports.unwrap_or(true),
            drain: match self.drain.as_deref() {
                Some("Protocol") => DrainSupport::Protocol,
                Some("Sigterm") => DrainSupport::Sigterm,
                _ => DrainSupport::IdleOnly,
            },
            ..fixtures::settings()
        }
    }

    /// What is seen at `now`; before it, the same, so that the decision is not the first one.
    fn observation(&self, now: f64) -> Observation {
        let workers: Vec<Worker> =
            self.pods.iter().enumerate().map(|(index, pod)| self.pod(&format!("w{index}"), pod, now)).collect();
        let at = Timestamp(now - self.reading_age);
        let counts = QueueCounts {
            ready: self.ready,
            at,
            unacked: self.unacked.map(|count| Counted { count, at }),
            unacked_by_worker: self.by_worker.clone().map(|counts| CountedByWorker { counts, at }),
            single_active_consumer: self.single_active_consumer,
            unsettled: self.unsettled,
            message_groups: self.message_groups,
            ..QueueCounts::default()
        };
        let present = workers.iter().filter(|worker| worker.phase != WorkerPhase::Terminating).count() as u32;
        Observation {
            queue: QueueReading::Known(counts),
            workers,
            replicas: Some(self.replicas.unwrap_or(present)),
            growth_refused: self.refused.clone(),
        }
    }

    fn pod(&self, name: &str, pod: &str, now: f64) -> Worker {
        let (word, number) = pod.split_once(' ').unwrap_or((pod, "0"));
        let held = number.parse().unwrap();
        let report = |state, held| Some(Report { state, ..fixtures::report(held, now) });
        let ready = Worker {
            deletion_cost: self.costs.get(name).copied().unwrap_or(0),
            revision: self.revisions.get(name).cloned().unwrap_or_default(),
            ..worker(name)
        };
        let never_ready = |phase| Worker { phase, first_ready: None, created: Timestamp(now - 1.0), ..ready.clone() };
        match word {
            "pending" => never_ready(WorkerPhase::Pending),
            "booting" => never_ready(WorkerPhase::NotReady),
            "silent" => ready,
            "idle" => Worker { report: report(WorkerState::Running, 0), ..ready },
            "unready" => Worker { phase: WorkerPhase::NotReady, report: report(WorkerState::Running, held), ..ready },
            "terminating" => {
                Worker { phase: WorkerPhase::Terminating, report: report(WorkerState::Draining, held), ..ready }
            }
            "draining" => Worker { report: report(WorkerState::Draining, held), ..ready },
            "drained" => Worker { report: report(WorkerState::Drained, 0), ..ready },
            number => Worker { report: report(WorkerState::Running, number.parse().unwrap()), ..ready },
        }
    }

    fn decide(&self) -> Decision {
        let settings = self.settings();
        let (state, _) = decide(&State::new(Timestamp(0.0)), &settings, &self.observation(0.0), Timestamp(0.0));
        let now = self.wait;
        let mut observation = self.observation(now);
        if self.unknown {
            observation.queue = QueueReading::Unknown(Unknown {
                class: ErrorClass::Transient,
                reason: "BrokerUnreachable",
                message: "the broker does not answer".to_owned(),
            });
        }
        decide(&state, &settings, &observation, Timestamp(now)).1
    }
}

#[test]
fn decisions_are_what_the_table_says() {
    each(include_str!("../cases/decide.yaml"), |case: DecideCase| {
        let decision = case.decide();
        let it = format!("{} ({})", case.it, decision.reason);
        let expected = &case.expect;
        same(&it, "applied", &expected.applied, &decision.applied)?;
        let draining = decision.draining.iter().map(|draining| draining.worker.clone()).collect();
        let words = [
            ("wanted", expected.wanted.map(|n| n.to_string()), decision.wanted.to_string()),
            ("granted", expected.granted.map(|n| n.to_string()), decision.granted.to_string()),
            ("bound", expected.bound.clone(), decision.bound_by.as_str().to_owned()),
            ("reason", expected.reason.clone(), decision.reason.clone()),
        ];
        for (what, expected, got) in words {
            expected.map_or(Ok(()), |expected| same(&it, what, &expected, &got))?;
        }
        let lists = [
            ("victims", &expected.victims, decision.victims),
            ("draining", &expected.draining, draining),
            ("drain", &expected.drain, decision.drain),
            ("resume", &expected.resume, decision.resume),
        ];
        for (what, expected, got) in lists {
            expected.as_ref().map_or(Ok(()), |expected| same(&it, what, expected, &got))?;
        }
        Ok(())
    });
}
