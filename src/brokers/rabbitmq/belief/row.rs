//! One queue in the management list.

use crate::brokers::rabbitmq::errors;
use crate::scaling::observation::Unknown;

/// A row of the management list, as far as believing goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    pub ready: Option<u64>,
    pub unacked: Option<u64>,
    /// The broker's word: `running`, `down`, `crashed` …; `None` where it says none.
    pub state: Option<String>,
    /// Of a replicated queue, whether all members are online; `None` where the list is silent.
    pub all_online: Option<bool>,
    pub queue_type: Option<String>,
}

/// Classic queues are also `idle` (hibernating) and `flow` (slowing publishers) in health.
pub fn is_running(state: &str) -> bool {
    matches!(state, "running" | "idle" | "flow")
}

impl Row {
    pub fn is_classic(&self) -> bool {
        self.queue_type.as_deref() == Some("classic")
    }

    pub(super) fn is_stream(&self) -> bool {
        self.queue_type.as_deref() == Some("stream")
    }

    pub(super) fn is_running(&self) -> bool {
        self.state.as_deref().is_some_and(is_running)
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.is_running() && self.all_online != Some(false)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ready == Some(0) && self.unacked == Some(0)
    }

    pub(super) fn complaint(&self) -> Unknown {
        if self.is_running() {
            errors::leaderless("not all members of the queue are online")
        } else {
            errors::leaderless("the broker does not call the queue running")
        }
    }
}
