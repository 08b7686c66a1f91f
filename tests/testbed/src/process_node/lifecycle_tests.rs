//! The life of pods, told as sequences of events and plans.

use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::container::{Retry, State};
use super::fixtures::pod_with;
use super::lifecycle::Lifecycle;
use super::plan::Action::{self, Kill, Start, Stop};
use super::probes::Finding;

const BASE: Duration = Duration::from_secs(10);

/// A pod and a clock that stands until it is moved.
struct Story {
    life: Lifecycle,
    now: Instant,
    pids: u32,
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Story {
    fn of(spec: Value) -> Self {
        Self { life: Lifecycle::new(&pod_with(spec), BASE), now: Instant::now(), pids: 0 }
    }

    fn expect(&mut self, actions: &[Action]) {
        assert_eq!(self.life.plan(self.now).actions, actions);
    }

    fn run(&mut self, index: usize) {
        self.pids += 1;
        self.life.running(index, self.pids.to_string(), Timestamp::UNIX_EPOCH, self.now);
    }

    fn exit(&mut self, index: usize, code: i32) {
        self.life.exited(index, code, Timestamp::UNIX_EPOCH, self.now);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }
}

fn container(name: &str) -> Value {
    json!({"name": name, "image": "i"})
}

fn sidecar(name: &str) -> Value {
    json!({"name": name, "image": "i", "restartPolicy": "Always"})
}

#[test]
fn init_containers_run_one_after_another_before_the_main_ones() {
    let mut story = Story::of(json!({
        "initContainers": [container("a"), container("b")],
        "containers": [container("x"), container("y")],
    }));
    story.expect(&[Start(0)]);
    story.run(0);
    story.expect(&[]);
    story.exit(0, 0);
    story.expect(&[Start(1)]);
    story.run(1);
    story.exit(1, 0);
    story.expect(&[Start(2), Start(3)]);
    assert!(story.life.initialized);
}

#[test]
fn a_failed_init_container_is_retried_with_back_off() {
    let mut story = Story::of(json!({"initContainers": [container("a")]}));
    for wait in [0, 10, 20] {
        story.pass(seconds(wait));
        story.expect(&[Start(0)]);
        story.run(0);
        story.exit(0, 1);
    }
    story.expect(&[]);
    assert!(!story.life.initialized);
}

#[test]
fn a_failed_init_container_ends_a_pod_that_never_restarts() {
    let mut story = Story::of(json!({"restartPolicy": "Never", "initContainers": [sidecar("s"), container("a")]}));
    story.expect(&[Start(0)]);
    story.run(0);
    story.expect(&[Start(1)]);
    story.run(1);
    story.exit(1, 3);
    story.expect(&[Stop(0, seconds(30))]);
    assert!(story.life.init_failed() && story.life.is_done());
}

#[test]
fn a_sidecar_is_up_before_what_follows_and_stops_after_it() {
    let mut probed = sidecar("s");
    probed["startupProbe"] = json!({"tcpSocket": {"port": 1}});
    let mut story = Story::of(json!({"initContainers": [probed, sidecar("t")]}));
    story.expect(&[Start(0)]);
    story.run(0);
    story.expect(&[]);
    story.life.found(0, Finding::Started);
    story.expect(&[Start(1)]);
    story.run(1);
    story.expect(&[Start(2)]);
    story.run(2);

    story.life.end(seconds(5), story.now);
    story.expect(&[Stop(2, seconds(5))]);
    story.pass(seconds(1));
    story.exit(2, 0);
    story.expect(&[Stop(1, seconds(4))]);
    story.pass(seconds(3));
    story.exit(1, 0);
    story.expect(&[Stop(0, seconds(2))]);
    story.exit(0, 0);
    assert!(!story.life.any_running());
}

#[test]
fn a_crashed_sidecar_comes_back_without_holding_the_main_container() {
    let mut story = Story::of(json!({"restartPolicy": "Never", "initContainers": [sidecar("s")]}));
    story.expect(&[Start(0)]);
    story.run(0);
    story.expect(&[Start(1)]);
    story.exit(0, 1);
    story.expect(&[Start(0), Start(1)]);
    story.run(0);
    story.run(1);
    story.exit(0, 0);
    story.expect(&[]);
    story.pass(BASE);
    story.expect(&[Start(0)]);
    assert_eq!(story.life.containers[0].restarts, 1);
}

#[test]
fn finished_work_winds_the_sidecars_down() {
    let mut story = Story::of(json!({"restartPolicy": "OnFailure", "initContainers": [sidecar("s")]}));
    story.expect(&[Start(0)]);
    story.run(0);
    story.expect(&[Start(1)]);
    story.run(1);
    story.exit(1, 0);
    assert!(story.life.is_done());
    story.expect(&[Stop(0, seconds(30))]);
    story.exit(0, 143);
    assert!(matches!(story.life.containers[0].state, State::Ended(_)));
}

#[test]
fn restarts_follow_the_policy() {
    for (policy, code, again) in [
        ("Always", 0, true),
        ("Always", 1, true),
        ("OnFailure", 0, false),
        ("OnFailure", 1, true),
        ("Never", 0, false),
        ("Never", 1, false),
    ] {
        let mut story = Story::of(json!({"restartPolicy": policy}));
        story.expect(&[Start(0)]);
        story.run(0);
        story.exit(0, code);
        assert_eq!(story.life.plan(story.now).actions == [Start(0)], again, "{policy} after {code}");
        assert_eq!(story.life.is_done(), !again);
    }
}

#[test]
fn a_crash_loop_waits_longer_each_time_and_counts() {
    let mut story = Story::of(json!({}));
    for wait in [0, 0, 10, 20, 40] {
        if wait > 0 {
            story.expect(&[]);
            assert_eq!(story.life.plan(story.now).wake, Some(story.now + seconds(wait)));
        }
        story.pass(seconds(wait));
        story.expect(&[Start(0)]);
        story.run(0);
        story.exit(0, 1);
    }
    assert_eq!(story.life.containers[0].restarts, 4);
    let State::Waiting { reason, .. } = story.life.containers[0].state else { panic!("it is not running") };
    assert_eq!(reason, "CrashLoopBackOff");
}

#[test]
fn a_missing_program_crash_loops_with_its_reason() {
    let mut story = Story::of(json!({}));
    story.life.start_failed(0, "no program \"x\"".into(), Timestamp::UNIX_EPOCH, story.now);
    let last = story.life.containers[0].last.clone().unwrap();
    assert_eq!((last.code, last.reason), (128, "StartError"));
    story.expect(&[Start(0)]);
}

#[test]
fn a_container_that_ignores_sigterm_is_killed_once_at_the_end_of_its_grace() {
    let mut story = Story::of(json!({}));
    story.run(0);
    story.life.end(seconds(30), story.now);
    story.expect(&[Stop(0, seconds(30))]);
    story.pass(seconds(29));
    story.expect(&[]);
    story.pass(seconds(1));
    story.expect(&[Kill(0)]);
    story.expect(&[]);
    story.exit(0, 137);
    assert!(!story.life.any_running());
    story.expect(&[]);
}

#[test]
fn a_shortened_grace_is_honoured_and_a_longer_one_is_not() {
    let mut story = Story::of(json!({}));
    story.run(0);
    story.life.end(seconds(30), story.now);
    story.expect(&[Stop(0, seconds(30))]);
    story.life.end(seconds(1), story.now);
    story.life.end(seconds(60), story.now);
    story.pass(seconds(1));
    story.expect(&[Kill(0)]);
}

#[test]
fn an_ending_pod_starts_nothing() {
    let mut story = Story::of(json!({}));
    story.run(0);
    story.exit(0, 1);
    story.life.end(seconds(30), story.now);
    story.expect(&[]);
    assert!(!story.life.any_running());
}

#[test]
fn an_unhealthy_container_is_stopped_and_restarted() {
    let mut story = Story::of(json!({}));
    story.run(0);
    story.life.found(0, Finding::Unhealthy(Some(seconds(3))));
    story.expect(&[Stop(0, seconds(3))]);
    story.life.found(0, Finding::Unhealthy(None));
    story.expect(&[]);
    story.pass(seconds(3));
    story.expect(&[Kill(0)]);
    story.exit(0, 137);
    story.expect(&[Start(0)]);
}

#[test]
fn a_blocked_container_waits_for_its_time_and_leaves_the_others_alone() {
    let mut story = Story::of(json!({"containers": [container("x"), container("y"), container("z")]}));
    story.life.blocked(0, "ErrImageNeverPull", "no image".into(), Retry::Never);
    story.life.blocked(1, "CreateContainerConfigError", "no secret".into(), Retry::At(story.now + seconds(2)));
    story.expect(&[Start(2)]);
    story.run(2);
    story.pass(seconds(2));
    story.expect(&[Start(1)]);
}

#[test]
fn a_held_pod_starts_nothing() {
    let mut story = Story::of(json!({}));
    story.life.held = Some("a volume is missing".into());
    story.expect(&[]);
    story.life.held = None;
    story.expect(&[Start(0)]);
}
