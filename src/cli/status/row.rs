//! One pool as a line, and as data for scripts.

use kube::ResourceExt as _;
use serde::Serialize;

use crate::api::{AgentWorkerPool, names::conditions};
use crate::scaling::time::Timestamp;

/// Longest reason in the short table; `-o wide` has all of it.
const LONGEST_WHY: usize = 60;

/// What `-o json` and `-o yaml` list; null = not known, which is not 0. It grows by addition only.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub namespace: String,
    pub pool: String,
    pub queued: Option<u64>,
    pub in_flight: Option<u64>,
    pub wanted: Option<u32>,
    pub granted: Option<u32>,
    pub applied: Option<u32>,
    pub ready: Option<u32>,
    pub bound_by: Option<String>,
    /// Known (read within the last 15 s or three intervals), Stale or Unknown.
    pub backlog: Option<String>,
    /// Seconds for which it has not been known.
    pub backlog_unknown_for: Option<f64>,
    pub hold: Option<u32>,
    /// Workers that should go and still hold tasks.
    pub draining: u32,
    /// Tasks in the dead-letter queue.
    pub failed: Option<u64>,
    pub arrivals_per_minute: Option<f64>,
    pub task_duration: Option<String>,
    pub prefetch: Option<u32>,
    /// The reason of the condition that says that the pool cannot be worked with.
    pub problem: Option<String>,
    /// Why, in one line.
    pub reason: String,
}

impl Row {
    pub fn of(pool: &AgentWorkerPool, now: Timestamp) -> Self {
        let status = pool.status.clone().unwrap_or_default();
        let condition = |type_: &str| status.conditions.iter().find(|condition| condition.type_ == type_);
        let problem = condition(conditions::READY).filter(|ready| ready.status == "False");
        let unknown = condition(conditions::BACKLOG_KNOWN).filter(|known| known.status == "False");
        let backlog = status.backlog.unwrap_or_default();
        let decision = status.decision.as_ref();
        let estimates = status.estimates.unwrap_or_default();
        Self {
            namespace: pool.namespace().unwrap_or_default(),
            pool: pool.name_any(),
            queued: backlog.ready,
            in_flight: backlog.in_flight,
            wanted: decision.map(|decision| decision.wanted),
            granted: decision.map(|decision| decision.granted),
            applied: decision.map(|decision| decision.applied),
            ready: status.ready_replicas,
            bound_by: decision.map(|decision| decision.bound_by.clone()),
            backlog: backlog.trust,
            backlog_unknown_for: unknown.map(|condition| {
                let since = condition.last_transition_time.0.as_millisecond() as f64 / 1000.0;
                now.since(Timestamp(since)).max(0.0)
            }),
            hold: pool.spec.scaling.as_ref().and_then(|scaling| scaling.hold_replicas),
            draining: status.draining.map_or(0, |draining| draining.count),
            failed: status.dead_letter.and_then(|letters| letters.depth),
            arrivals_per_minute: estimates.arrivals_per_minute,
            task_duration: estimates.task_duration,
            prefetch: status.prefetch,
            problem: problem.map(|problem| problem.reason.clone()),
            reason: match (problem, decision) {
                (Some(problem), _) => problem.message.clone(),
                (None, Some(decision)) => decision.reason.clone(),
                (None, None) => "not looked at yet; is the operator running?".to_owned(),
            },
        }
    }

    /// The columns that every table has, but for the namespace and why.
    pub fn cells(&self) -> Vec<String> {
        let bound = self.problem.clone().or_else(|| self.bound_by.clone());
        vec![
            self.pool.clone(),
            known(self.queued),
            known(self.in_flight),
            known(self.wanted),
            known(self.granted),
            known(self.applied),
            known(self.ready),
            known(bound),
            self.trust(),
        ]
    }

    /// Those of `-o wide`.
    pub fn more_cells(&self) -> Vec<String> {
        let nothing = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        vec![
            nothing(self.hold.map(|hold| hold.to_string())),
            nothing(Some(self.draining).filter(|count| *count > 0).map(|count| count.to_string())),
            known(self.failed),
            known(self.arrivals_per_minute),
            known(self.task_duration.clone()),
            known(self.prefetch),
        ]
    }

    /// "Known", or for how long it has not been.
    fn trust(&self) -> String {
        match (self.backlog.as_deref(), self.backlog_unknown_for) {
            (None, _) => "?".to_owned(),
            (Some(trust), Some(seconds)) if trust != "Known" => format!("{trust} {}", short(seconds)),
            (Some(trust), _) => trust.to_owned(),
        }
    }

    /// In a few words: the counts before the colon have columns of their own.
    pub fn why(&self) -> String {
        let why = match self.reason.split_once(": ") {
            Some((counts, conclusion)) if self.problem.is_none() && counts.contains("queued") => conclusion,
            _ => self.reason.as_str(),
        };
        if why.chars().count() <= LONGEST_WHY {
            return why.to_owned();
        }
        let cut: String = why.chars().take(LONGEST_WHY).collect();
        format!("{}…", cut.rsplit_once(' ').map_or(cut.as_str(), |(whole, _)| whole))
    }
}

/// Unknown is a question mark, never a zero.
fn known(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

/// Ages as `kubectl` writes them.
fn short(seconds: f64) -> String {
    match seconds as u64 {
        s @ 0..120 => format!("{s}s"),
        s @ 120..7200 => format!("{}m", s / 60),
        s @ 7200..172_800 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp(1_795_507_200.0);

    fn pool(status: serde_json::Value) -> AgentWorkerPool {
        let mut pool =
            AgentWorkerPool { status: serde_json::from_value(status).unwrap(), ..AgentWorkerPool::default() };
        pool.metadata.name = Some("research".into());
        pool
    }

    #[test]
    fn what_is_unknown_is_a_question_mark() {
        let row = Row::of(&pool(json!({})), NOW);
        assert_eq!(row.cells(), ["research", "?", "?", "?", "?", "?", "?", "?", "?"]);
        assert_eq!(row.more_cells(), ["-", "-", "?", "?", "?", "?"]);
    }

    #[test]
    fn the_short_reason_leaves_out_what_has_columns() {
        let reason = "37 queued (oldest 12 s), 41 in flight, 48 slots on 12 workers: 14 workers, so that each task \
                      starts within 60 s";
        let decision = json!({ "wanted": 14, "granted": 14, "applied": 14, "boundBy": "Demand", "reason": reason });
        let row = Row::of(&pool(json!({ "decision": decision, "backlog": { "ready": 37, "trust": "Known" } })), NOW);
        assert_eq!(row.why(), "14 workers, so that each task starts within 60 s");
        assert_eq!(row.cells()[1..], ["37", "?", "14", "14", "14", "?", "Demand", "Known"]);
    }

    #[test]
    fn a_queue_that_is_not_known_says_for_how_long_and_a_long_reason_is_cut_at_a_word() {
        let reason = "3 workers stay as before: BrokerUnreachable: cannot reach RabbitMQ at rabbitmq:5672: nothing";
        let condition = |type_: &str, status: &str, seconds: f64| {
            let at = k8s_openapi::jiff::Timestamp::from_second((NOW.0 - seconds) as i64).unwrap();
            json!({ "type": type_, "status": status, "reason": "BrokerUnreachable", "message": "m",
                "lastTransitionTime": at.to_string() })
        };
        let row = Row::of(
            &pool(json!({
                "decision": { "wanted": 3, "granted": 3, "applied": 3, "boundBy": "Hold", "reason": reason },
                "backlog": { "ready": 4, "trust": "Unknown" },
                "conditions": [condition("BacklogKnown", "False", 200.0), condition("Ready", "True", 9000.0)],
            })),
            NOW,
        );
        assert_eq!(row.cells()[8], "Unknown 3m");
        assert_eq!(row.why(), "3 workers stay as before: BrokerUnreachable: cannot reach…");
    }

    #[test]
    fn a_pool_that_cannot_be_worked_with_shows_the_problem_instead_of_an_old_decision() {
        let row = Row::of(
            &pool(json!({
                "decision": { "wanted": 3, "granted": 3, "applied": 3, "boundBy": "Demand", "reason": "old" },
                "conditions": [{ "type": "Ready", "status": "False", "reason": "SecretNotFound",
                    "message": "Secret rabbitmq is not in this namespace", "lastTransitionTime": "2026-11-24T08:00:00Z" }],
            })),
            NOW,
        );
        assert_eq!(
            (row.cells()[7].as_str(), row.why().as_str()),
            ("SecretNotFound", "Secret rabbitmq is not in this namespace")
        );
    }
}
