//! A pod's status from what its containers do.

use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus, HostIP,
    Pod, PodCondition, PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::container::{Container, Exit, Role, State};
use super::fields::Facts;
use super::lifecycle::Lifecycle;

/// The parts of the status that the node owns; `previous` gives the times of conditions that did not change.
pub fn of(pod: &Pod, life: &Lifecycle, facts: &Facts, previous: &PodStatus, now: Timestamp) -> PodStatus {
    let phase = phase(life);
    let init: Vec<_> =
        life.containers.iter().filter(|c| c.role != Role::Main).map(|c| container_status(c, life)).collect();
    let main: Vec<_> = life.with_role(Role::Main).map(|c| container_status(c, life)).collect();
    let conditions = [
        condition("PodReadyToStartContainers", if life.held.is_none() { Ok(()) } else { Err(Why::default()) }),
        condition("Initialized", initialized(life)),
        condition("ContainersReady", containers_ready(phase, life)),
        condition("Ready", containers_ready(phase, life).and_then(|()| gates_open(pod))),
    ];
    PodStatus {
        phase: Some(phase.to_owned()),
        conditions: Some(conditions.map(|condition| dated(condition, previous, now)).into()),
        host_ip: Some(facts.host_ip.clone()),
        host_ips: Some(vec![HostIP { ip: facts.host_ip.clone() }]),
        pod_ip: Some(facts.pod_ip.clone()),
        pod_ips: Some(vec![PodIP { ip: facts.pod_ip.clone() }]),
        start_time: previous.start_time.clone().or(Some(Time(now))),
        observed_generation: pod.metadata.generation,
        init_container_statuses: (!init.is_empty()).then_some(init),
        container_statuses: Some(main),
        ..PodStatus::default()
    }
}

/// The kubelet's rules; a pod is over only when nothing of it runs any more.
fn phase(life: &Lifecycle) -> &'static str {
    let ended: Vec<&Exit> = life.with_role(Role::Main).filter_map(last_exit).collect();
    let all_ended = ended.len() == life.with_role(Role::Main).count();
    let over = life.is_done() || life.is_ending();
    if over && !life.any_running() {
        let succeeded = all_ended && !life.init_failed() && ended.iter().all(|exit| exit.code == 0);
        return if succeeded { "Succeeded" } else { "Failed" };
    }
    let never_ran = |container: &Container| container.run().is_none() && last_exit(container).is_none();
    if !life.initialized || life.with_role(Role::Main).any(never_ran) { "Pending" } else { "Running" }
}

/// How the container's latest run ended, if it is over.
fn last_exit(container: &Container) -> Option<&Exit> {
    match &container.state {
        State::Ended(exit) => Some(exit),
        State::Waiting { .. } => container.last.as_ref(),
        State::Running(_) => None,
    }
}

fn container_status(container: &Container, life: &Lifecycle) -> ContainerStatus {
    let (state, id, started) = match &container.state {
        State::Waiting { reason, message, .. } => {
            let waiting = ContainerStateWaiting {
                reason: Some((*reason).to_owned()),
                message: message.clone().or_else(|| life.held.clone()),
            };
            let id = container.last.as_ref().map(|exit| exit.id.as_str());
            (ContainerState { waiting: Some(waiting), ..ContainerState::default() }, id, false)
        }
        State::Running(run) => {
            let running = ContainerStateRunning { started_at: Some(Time(run.started_at)) };
            let state = ContainerState { running: Some(running), ..ContainerState::default() };
            (state, Some(run.id.as_str()), run.started)
        }
        State::Ended(exit) => (terminated(exit), Some(exit.id.as_str()), false),
    };
    ContainerStatus {
        name: container.spec.name.clone(),
        image: container.spec.image.clone().unwrap_or_default(),
        image_id: id.and(container.spec.image.clone()).unwrap_or_default(),
        container_id: id.filter(|id| !id.is_empty()).map(str::to_owned),
        ready: is_ready(container),
        started: Some(started),
        restart_count: container.restarts,
        state: Some(state),
        last_state: container.last.as_ref().map(terminated),
        ..ContainerStatus::default()
    }
}

/// An init container that did its work counts as ready.
fn is_ready(container: &Container) -> bool {
    match &container.state {
        State::Running(run) => container.role != Role::Init && run.ready,
        State::Ended(exit) => container.role == Role::Init && exit.code == 0,
        State::Waiting { .. } => false,
    }
}

fn terminated(exit: &Exit) -> ContainerState {
    let terminated = ContainerStateTerminated {
        container_id: Some(exit.id.clone()).filter(|id| !id.is_empty()),
        exit_code: exit.code,
        reason: Some(exit.reason.to_owned()),
        message: exit.message.clone(),
        started_at: Some(Time(exit.started_at)),
        finished_at: Some(Time(exit.finished_at)),
        signal: None,
    };
    ContainerState { terminated: Some(terminated), ..ContainerState::default() }
}

/// Why a condition is not true.
#[derive(Default)]
struct Why {
    reason: Option<&'static str>,
    message: Option<String>,
}

fn not(reason: &'static str, kind: &str, names: &[&str]) -> Why {
    Why { reason: Some(reason), message: Some(format!("containers with {kind} status: [{}]", names.join(" "))) }
}

fn initialized(life: &Lifecycle) -> Result<(), Why> {
    if life.initialized {
        return Ok(());
    }
    let missing: Vec<_> = life
        .containers
        .iter()
        .filter(|container| match container.role {
            Role::Init => !is_ready(container),
            Role::Sidecar => !container.run().is_some_and(|run| run.started),
            Role::Main => false,
        })
        .map(|container| container.spec.name.as_str())
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(not("ContainersNotInitialized", "incomplete", &missing)) }
}

fn containers_ready(phase: &str, life: &Lifecycle) -> Result<(), Why> {
    match phase {
        "Succeeded" => return Err(Why { reason: Some("PodCompleted"), message: None }),
        "Failed" => return Err(Why { reason: Some("PodFailed"), message: None }),
        _ => {}
    }
    let unready: Vec<_> = life
        .containers
        .iter()
        .filter(|container| container.role != Role::Init && !is_ready(container))
        .map(|container| container.spec.name.as_str())
        .collect();
    if unready.is_empty() { Ok(()) } else { Err(not("ContainersNotReady", "unready", &unready)) }
}

/// Conditions that others must set first.
fn gates_open(pod: &Pod) -> Result<(), Why> {
    let gates = pod.spec.iter().flat_map(|spec| spec.readiness_gates.iter().flatten());
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    for gate in gates {
        if !conditions.iter().any(|c| c.type_ == gate.condition_type && c.status == "True") {
            let message = format!("the readiness gate {} is not open", gate.condition_type);
            return Err(Why { reason: Some("ReadinessGatesNotReady"), message: Some(message) });
        }
    }
    Ok(())
}

fn condition(type_: &str, holds: Result<(), Why>) -> PodCondition {
    let (status, why) = match holds {
        Ok(()) => ("True", Why::default()),
        Err(why) => ("False", why),
    };
    PodCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: why.reason.map(str::to_owned),
        message: why.message,
        ..PodCondition::default()
    }
}

/// The condition with the time of its last change.
fn dated(mut condition: PodCondition, previous: &PodStatus, now: Timestamp) -> PodCondition {
    let before = previous.conditions.iter().flatten().find(|before| before.type_ == condition.type_);
    condition.last_transition_time = before
        .filter(|before| before.status == condition.status)
        .and_then(|before| before.last_transition_time.clone())
        .or(Some(Time(now)));
    condition
}

/// Takes over from an earlier node process what the server still knows of the containers.
pub fn restore(life: &mut Lifecycle, status: &PodStatus, now: Timestamp) {
    let known: Vec<_> =
        status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten()).collect();
    for container in &mut life.containers {
        let Some(known) = known.iter().find(|known| known.name == container.spec.name) else { continue };
        container.restarts = known.restart_count;
        let ran = known.state.as_ref().and_then(|state| state.running.as_ref());
        if let Some(ran) = ran {
            container.last = Some(Exit {
                id: known.container_id.clone().unwrap_or_default(),
                code: 137,
                reason: "Error",
                message: Some("the node restarted".to_owned()),
                started_at: ran.started_at.as_ref().map_or(now, |time| time.0),
                finished_at: now,
            });
        }
    }
}

/// Whether the node has nothing to do for this pod but to let it be deleted.
pub fn is_over(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}
