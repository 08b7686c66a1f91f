//! What people read, situation by situation.

use std::sync::Arc;

use super::operator::{self, Circumstances};
use super::{Report, status, text};
use crate::api::{AgentWorkerPool, AgentWorkerPoolSpec, AgentWorkerPoolStatus};
use crate::scaling::decide;
use crate::scaling::explanation::{Inputs, explain};
use crate::scaling::observation::{
    Counted, ErrorClass, Observation, QueueCounts, QueueReading, Unknown, Worker, WorkerPhase,
};
use crate::scaling::settings::{Fallback, Mode, Prefetch, Settings};
use crate::scaling::state::State;
use crate::scaling::tests::fixtures::{GI, MI, observation, queue, reporting, settings, worker};
use crate::scaling::time::Timestamp;

/// A widely used number of a morning in 2026, so that times have a date.
const START: f64 = 1_795_507_200.0;

/// What was seen, one after the other, each with its second; the last is explained.
fn seen(settings: &Settings, observations: Vec<(f64, Observation)>) -> Report {
    let mut state = State::new(Timestamp(START));
    let mut inputs = None;
    for (second, observation) in observations {
        let (observation, at) = (Arc::new(observation), Timestamp(START + second));
        let (after, _) = decide(&state, settings, &observation, at);
        inputs = Some(Inputs { state, settings: settings.clone(), observation, at });
        state = after;
    }
    let inputs = inputs.unwrap();
    let around = Circumstances {
        namespace: "agents",
        pool: "research",
        spec: &spec(settings.mode),
        gaps: &[],
        shared_with: &[],
        now: inputs.at.plus(0.4),
    };
    operator::report(&explain(&inputs), &around, &AgentWorkerPoolStatus::default())
}

fn spec(mode: Mode) -> AgentWorkerPoolSpec {
    serde_json::from_value(serde_json::json!({
        "broker": { "rabbitmq": { "uri": "amqp://rabbitmq:5672/agents", "queues": ["research_tasks"] } },
        "worker": {},
        "scaling": { "mode": format!("{mode:?}") },
    }))
    .unwrap()
}

fn at(second: f64) -> f64 {
    START + second
}

fn old(worker: Worker) -> Worker {
    Worker { created: Timestamp(at(-600.0)), first_ready: Some(Timestamp(at(-590.0))), ..worker }
}

fn busy(name: &str, in_flight: u32, second: f64) -> Worker {
    old(reporting(name, in_flight, at(second)))
}

fn fleet(count: u32, in_flight: u32, second: f64) -> Vec<Worker> {
    (1..=count).map(|number| busy(&format!("research-{number}"), in_flight, second)).collect()
}

fn unreachable() -> QueueReading {
    QueueReading::Unknown(Unknown {
        class: ErrorClass::Transient,
        reason: "BrokerUnreachable",
        message: "cannot reach RabbitMQ at rabbitmq:5672: nothing listens there".to_owned(),
    })
}

/// Twelve busy slots on three workers and a queue that grows: five tasks, of ten seconds apart.
fn growing(settings: &Settings) -> Report {
    let look = |second: f64, ready: u64| (second, observation(queue(ready, 12, at(second)), fleet(3, 4, second)));
    seen(settings, vec![look(0.0, 0), look(2.0, 1), look(12.0, 2), look(22.0, 3), look(32.0, 4), look(42.0, 5)])
}

/// A burst of ninety tasks on a sleeping pool, one look before and one after.
fn burst(settings: &Settings) -> Report {
    let look = |second: f64, ready: u64| (second, observation(queue(ready, 0, at(second)), Vec::new()));
    seen(settings, vec![look(0.0, 0), look(2.0, 90)])
}

fn screen(report: &Report) -> String {
    let text = text::render(report, false);
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert!(text.lines().count() <= 40, "{text}");
    text
}

#[test]
fn a_pool_that_grows() {
    insta::assert_snapshot!(screen(&growing(&Settings { task_duration: 90.0, ..settings() })));
}

#[test]
fn a_burst_from_zero_capped_by_memory() {
    let auto = Prefetch::Auto { min: 1, max: 16, base_memory: 256 * MI, task_memory: 300 * MI, headroom_percent: 20 };
    insta::assert_snapshot!(screen(&burst(&Settings { max_memory: Some(16 * GI), prefetch: auto, ..settings() })));
}

#[test]
fn two_limits_at_once_are_told_apart() {
    let report = burst(&Settings { max_memory: Some(16 * GI), max_concurrency: Some(20), ..settings() });
    insta::assert_snapshot!(screen(&report));
}

#[test]
fn a_pool_held_while_its_broker_is_away() {
    let fallback = Some(Fallback { after: 180.0, replicas: 5 });
    let look = |second: f64, queue| (second, observation(queue, fleet(3, 2, second)));
    let seen = |settings: &Settings| {
        seen(
            settings,
            vec![look(0.0, queue(4, 6, at(0.0))), look(2.0, queue(4, 6, at(2.0))), look(60.0, unreachable())],
        )
    };
    insta::assert_snapshot!(screen(&seen(&Settings { fallback, ..settings() })));
    let without = screen(&seen(&settings()));
    assert!(
        without.contains("not known for 58 s: nothing shrinks until it is; there is no scaling.fallback"),
        "{without}"
    );
}

#[test]
fn a_pool_raised_by_its_fallback() {
    let settings = Settings { fallback: Some(Fallback { after: 30.0, replicas: 5 }), ..settings() };
    let look = |second: f64, queue| (second, observation(queue, fleet(2, 1, second)));
    insta::assert_snapshot!(screen(&seen(&settings, vec![look(0.0, queue(0, 2, at(0.0))), look(60.0, unreachable())])));
}

#[test]
fn a_pool_that_shrinks_while_busy_workers_stay() {
    let settings = Settings { scale_down_window: Some(10.0), ..settings() };
    let workers = |second: f64| {
        let booting = Worker {
            phase: WorkerPhase::Pending,
            first_ready: None,
            created: Timestamp(at(25.0)),
            ..worker("research-7")
        };
        let leaving = Worker { phase: WorkerPhase::Terminating, ..busy("research-6", 1, second) };
        vec![
            busy("research-1", 2, second),
            busy("research-2", 1, second),
            busy("research-3", 0, second),
            busy("research-4", 0, second),
            old(worker("research-5")),
            leaving,
            booting,
        ]
    };
    let look = |second: f64| (second, observation(queue(0, 4, at(second)), workers(second)));
    insta::assert_snapshot!(screen(&seen(&settings, vec![look(0.0), look(2.0), look(30.0), look(32.0)])));
}

#[test]
fn a_pool_asleep() {
    let look = |second: f64| (second, observation(queue(0, 0, at(second)), Vec::new()));
    insta::assert_snapshot!(screen(&seen(&settings(), vec![look(0.0), look(2.0), look(60.0)])));
}

#[test]
fn a_pool_held_by_hand() {
    let report = growing(&Settings { hold_replicas: Some(3), ..settings() });
    insta::assert_snapshot!(screen(&report));
}

#[test]
fn a_pool_whose_tasks_in_flight_nobody_tells() {
    let settings = Settings { reports: false, ..settings() };
    let look = |second: f64, ready| {
        let counts = QueueCounts { ready, at: Timestamp(at(second)), ..QueueCounts::default() };
        let workers = (1..=3).map(|number| old(worker(&format!("research-{number}")))).collect();
        (second, observation(QueueReading::Known(counts), workers))
    };
    insta::assert_snapshot!(screen(&seen(&settings, vec![look(0.0, 0), look(2.0, 6), look(20.0, 8), look(40.0, 9)])));
}

#[test]
fn every_explanation_adds_up_to_its_own_decision() {
    let report = growing(&Settings { task_duration: 90.0, ..settings() });
    let (law, decision) = (report.law.unwrap(), report.decision.unwrap());
    let task = law.decisive.unwrap();
    let short = task.position + law.free_slots - (law.slots - law.in_flight) - task.completions;
    assert!((short - task.short).abs() < 1e-9 && (short - law.short).abs() < 1e-9);
    assert!(((law.slots + short).ceil() - law.wanted_slots).abs() < 1e-9);
    assert_eq!(law.wanted, decision.wanted);
}

#[test]
fn raising_the_limit_that_binds_brings_what_was_wanted() {
    let report = burst(&Settings { max_memory: Some(16 * GI), ..settings() });
    let decision = report.decision.unwrap();
    assert!(decision.granted < decision.wanted, "{decision:?}");
    let raised = report.what_if.iter().find(|tried| tried.setting == "scaling.maxMemory").unwrap();
    assert_eq!((raised.granted, raised.bound_by.as_str()), (decision.wanted, "Demand"));
}

#[test]
fn a_report_survives_json_and_stays_small() {
    let workers: Vec<Worker> = (0..5000).map(|number| busy(&format!("research-{number}"), 1, 0.0)).collect();
    let counts = queue(1_000_000, 5000, at(0.0));
    let report = seen(&settings(), vec![(0.0, observation(counts, workers))]);
    let json = serde_json::to_string(&report).unwrap();
    assert!(json.len() < 32 * 1024, "{} bytes", json.len());
    let read: Report = serde_json::from_str(&json).unwrap();
    assert_eq!(text::render(&read, false), text::render(&report, false));
    assert_eq!(read.workers.unwrap().omitted, 4900);
}

#[test]
fn without_the_operator_the_status_tells_what_it_can() {
    let pool: AgentWorkerPool = serde_json::from_value(serde_json::json!({
        "apiVersion": "agentworkers.io/v1alpha1", "kind": "AgentWorkerPool",
        "metadata": { "name": "research", "namespace": "agents" },
        "spec": spec(Mode::Auto),
        "status": {
            "backlog": { "ready": 37, "inFlight": 41, "since": "2026-11-24T08:00:00Z", "trust": "Known" },
            "estimates": { "arrivalsPerMinute": 22.0, "taskDuration": "74s", "startup": "6s", "taskMemory": "310Mi" },
            "decision": { "wanted": 19, "granted": 12, "applied": 14, "boundBy": "MaxMemory", "reason": "37 queued" },
            "conditions": [{ "type": "ScaleDownBlind", "status": "True", "reason": "NoReports", "message": "set statusPort",
                "lastTransitionTime": "2026-11-24T08:00:00Z" }],
        },
    }))
    .unwrap();
    let now = Timestamp(START + 60.0);
    let report = status::report(&pool, vec!["the operator was not asked: no pod of it was found".to_owned()], now);
    insta::assert_snapshot!(screen(&report));
}

#[test]
fn a_pool_that_cannot_be_worked_with_says_why() {
    let mut pool = AgentWorkerPool { spec: spec(Mode::Auto), ..AgentWorkerPool::default() };
    pool.metadata.name = Some("research".to_owned());
    pool.metadata.namespace = Some("agents".to_owned());
    let message = "Secret rabbitmq is not in this namespace; create it with the keys username and password";
    insta::assert_snapshot!(screen(&status::refused(&pool, "SecretNotFound", message)));
}

#[test]
fn a_password_in_an_address_is_not_repeated() {
    let mut spec = spec(Mode::Auto);
    spec.broker.rabbitmq.as_mut().unwrap().uri = "amqp://user:hunter2@rabbitmq/agents".to_owned();
    assert_eq!(super::words::queue(&spec).unwrap(), "RabbitMQ rabbitmq/agents, queue research_tasks");
}

#[test]
fn who_holds_what_and_how_old_the_counts_are_is_told() {
    let counts = QueueCounts {
        ready: 0,
        at: Timestamp(at(1.0)),
        unacked: Some(Counted { count: 3, at: Timestamp(at(-3.0)) }),
        ..QueueCounts::default()
    };
    let report = seen(&settings(), vec![(2.0, observation(QueueReading::Known(counts), fleet(1, 3, 1.5)))]);
    let text = screen(&report).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("waiting 0 (1 s old), in flight 3: the broker counts 3 (5 s old)"), "{text}");
    assert!(text.contains("reports from 1 of 1 worker: 3 (0.5 s old)"), "{text}");
}
