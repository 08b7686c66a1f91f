//! What a worker's `GET /status` answers: one type for the runtime that serves it and the operator
//! that reads it, so that the two cannot drift apart.

use serde::{Deserialize, Serialize};

/// Everything but `inFlight` is optional: a worker leaves out what it cannot know.
/// Unknown members are ignored, so that workers may say more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Tasks that have reached the process and are not yet acknowledged, waiting ones included.
    pub in_flight: u64,
    /// Tasks it may hold at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<u64>,
    /// Since the worker started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<u64>,
    /// Since the worker started; what was dead-lettered counts here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<u64>,
    /// Times a rate limit made a task wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limited: Option<u64>,
    /// Sum over tasks of seconds at work, finished and running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_seconds: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Memory with no task running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_memory_bytes: Option<u64>,
    /// Largest memory seen above the base, divided by the tasks running then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_peak_memory_bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Taking tasks, or trying to.
    Running,
    /// Taking no more, finishing what it has.
    Draining,
    /// Taking no more, holding nothing.
    Drained,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_is_the_documented_one() {
        let status = Status {
            state: Some(State::Running),
            in_flight: 2,
            slots: Some(4),
            completed: Some(812),
            failed: Some(9),
            busy_seconds: Some(61234.5),
            task_peak_memory_bytes: Some(1),
            ..Status::default()
        };
        assert_eq!(
            serde_json::to_string(&status).unwrap(),
            r#"{"state":"running","inFlight":2,"slots":4,"completed":812,"failed":9,"busySeconds":61234.5,"taskPeakMemoryBytes":1}"#
        );
    }

    #[test]
    fn a_workers_own_answer_may_be_short_or_say_more() {
        let status: Status = serde_json::from_str(r#"{"inFlight":1,"llmSeconds":2.5}"#).unwrap();
        assert_eq!(status, Status { in_flight: 1, ..Status::default() });
        assert!(serde_json::from_str::<Status>(r#"{"state":"running"}"#).is_err(), "inFlight is required");
    }
}
