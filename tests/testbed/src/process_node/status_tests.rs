//! What a pod's status says at each point of its life.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::PodStatus;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::fixtures::{facts, pod_with};
use super::lifecycle::Lifecycle;
use super::probes::Finding;
use super::status;

struct Story {
    pod: k8s_openapi::api::core::v1::Pod,
    life: Lifecycle,
    previous: PodStatus,
    second: i64,
}

impl Story {
    fn of(spec: Value) -> Self {
        let pod = pod_with(spec);
        let life = Lifecycle::new(&pod, Duration::from_secs(10));
        Self { pod, life, previous: PodStatus::default(), second: 0 }
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_second(self.second).unwrap()
    }

    fn run(&mut self, index: usize) {
        let wall = self.wall();
        self.life.plan(Instant::now());
        self.life.running(index, format!("process://{index}"), wall, Instant::now());
    }

    fn exit(&mut self, index: usize, code: i32) {
        let wall = self.wall();
        self.life.exited(index, code, wall, Instant::now());
        self.life.plan(Instant::now());
    }

    fn status(&mut self) -> Value {
        self.previous = status::of(&self.pod, &self.life, &facts(), &self.previous, self.wall());
        serde_json::to_value(&self.previous).unwrap()
    }

    fn phase(&mut self) -> String {
        self.status()["phase"].as_str().unwrap().to_owned()
    }

    fn condition(&mut self, type_: &str) -> Value {
        let status = self.status();
        status["conditions"].as_array().unwrap().iter().find(|c| c["type"] == type_).unwrap().clone()
    }
}

#[test]
fn a_new_pod_is_pending_with_its_addresses() {
    let mut story = Story::of(json!({}));
    let status = story.status();
    assert_eq!(status["phase"], "Pending");
    assert_eq!(status["podIP"], "127.64.0.7");
    assert_eq!(status["hostIP"], "127.0.0.1");
    assert_eq!(status["startTime"], "1970-01-01T00:00:00Z");
    assert_eq!(status["containerStatuses"][0]["state"]["waiting"]["reason"], "ContainerCreating");
    let ready = story.condition("Ready");
    assert_eq!(ready["status"], "False");
    assert_eq!(ready["message"], "containers with unready status: [main]");
}

#[test]
fn a_running_pod_without_probes_is_ready_and_keeps_its_times() {
    let mut story = Story::of(json!({}));
    story.run(0);
    let status = story.status();
    assert_eq!(status["phase"], "Running");
    assert_eq!(status["containerStatuses"][0]["containerID"], "process://0");
    assert_eq!(status["containerStatuses"][0]["ready"], true);
    assert_eq!(story.condition("Ready")["status"], "True");
    story.second = 60;
    assert_eq!(story.status(), status);
}

#[test]
fn a_condition_is_dated_by_its_last_change() {
    let mut story = Story::of(json!({}));
    story.status();
    story.second = 5;
    story.run(0);
    assert_eq!(story.condition("Ready")["lastTransitionTime"], "1970-01-01T00:00:05Z");
    assert_eq!(story.condition("Initialized")["lastTransitionTime"], "1970-01-01T00:00:00Z");
}

#[test]
fn readiness_follows_the_probe() {
    let mut story = Story::of(json!({"containers": [
        {"name": "main", "image": "i", "readinessProbe": {"tcpSocket": {"port": 1}}}]}));
    story.run(0);
    assert_eq!(story.condition("Ready")["status"], "False");
    story.life.found(0, Finding::Ready(true));
    assert_eq!(story.condition("ContainersReady")["status"], "True");
}

#[test]
fn a_readiness_gate_keeps_the_pod_unready() {
    let mut story = Story::of(json!({"readinessGates": [{"conditionType": "example.com/open"}]}));
    story.run(0);
    assert_eq!(story.condition("ContainersReady")["status"], "True");
    assert_eq!(story.condition("Ready")["reason"], "ReadinessGatesNotReady");
}

#[test]
fn a_crash_shows_in_the_last_state_and_the_count() {
    let mut story = Story::of(json!({}));
    story.run(0);
    story.exit(0, 7);
    assert_eq!(story.phase(), "Running");
    story.run(0);
    let status = story.status();
    let container = &status["containerStatuses"][0];
    assert_eq!(container["restartCount"], 1);
    assert_eq!(container["lastState"]["terminated"]["exitCode"], 7);
    assert_eq!(container["lastState"]["terminated"]["reason"], "Error");
}

#[test]
fn a_pod_that_does_not_restart_ends_by_its_exit_codes() {
    for (code, phase, reason) in [(0, "Succeeded", "Completed"), (2, "Failed", "Error")] {
        let mut story = Story::of(json!({"restartPolicy": "Never"}));
        story.run(0);
        story.exit(0, code);
        let status = story.status();
        assert_eq!(status["phase"], phase);
        assert_eq!(status["containerStatuses"][0]["state"]["terminated"]["reason"], reason);
        assert_eq!(story.condition("Ready")["status"], "False");
    }
}

#[test]
fn a_pod_is_not_over_while_a_sidecar_runs() {
    let mut story = Story::of(json!({"restartPolicy": "Never",
        "initContainers": [{"name": "s", "image": "i", "restartPolicy": "Always"}]}));
    story.run(0);
    assert_eq!(story.condition("Initialized")["status"], "True");
    story.run(1);
    story.exit(1, 0);
    assert_eq!(story.phase(), "Running");
    story.exit(0, 143);
    assert_eq!(story.phase(), "Succeeded");
}

#[test]
fn a_deleted_pod_ends_by_its_exit_codes_too() {
    let mut story = Story::of(json!({}));
    story.run(0);
    story.life.end(Duration::from_secs(1), Instant::now());
    assert_eq!(story.phase(), "Running");
    story.exit(0, 0);
    assert_eq!(story.phase(), "Succeeded");
}

#[test]
fn a_pod_waiting_for_its_init_container_says_so() {
    let mut story = Story::of(json!({"initContainers": [{"name": "a", "image": "i"}]}));
    story.run(0);
    let status = story.status();
    assert_eq!(status["phase"], "Pending");
    assert_eq!(status["containerStatuses"][0]["state"]["waiting"]["reason"], "PodInitializing");
    assert_eq!(story.condition("Initialized")["message"], "containers with incomplete status: [a]");
    story.exit(0, 0);
    assert_eq!(story.condition("Initialized")["status"], "True");
}

#[test]
fn a_held_pod_tells_why() {
    let mut story = Story::of(json!({}));
    story.life.held = Some("volume \"v\" cannot be mounted".into());
    let status = story.status();
    assert_eq!(status["containerStatuses"][0]["state"]["waiting"]["message"], "volume \"v\" cannot be mounted");
}

#[test]
fn a_restarted_node_goes_on_counting() {
    let mut story = Story::of(json!({}));
    story.run(0);
    let status = serde_json::from_value(story.status()).unwrap();
    let mut again = Story::of(json!({}));
    let wall = again.wall();
    status::restore(&mut again.life, &status, wall);
    again.run(0);
    let status = again.status();
    assert_eq!(status["containerStatuses"][0]["restartCount"], 1);
    assert_eq!(status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 137);
}
