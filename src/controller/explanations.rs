//! The last decision of each pool with its inputs, for whoever asks why.
//!
//! Keeping it costs an ordinary pass nothing but a few moves: the inputs are values that the
//! decision was made from anyway, and are taken apart only when somebody asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::validate::Refusal;
use super::world::PoolKey;
use crate::api::AgentWorkerPool;
use crate::brokers::Gaps;
use crate::explanation::operator::{self, Circumstances};
use crate::explanation::{Report, status};
use crate::scaling::explanation::{Inputs, explain};
use crate::scaling::observation::Unknown;
use crate::scaling::time::Timestamp;

#[derive(Debug, Default)]
pub struct Explanations {
    last: Mutex<HashMap<PoolKey, Arc<Last>>>,
}

/// How the last pass over a pool ended.
#[derive(Debug)]
pub struct Last {
    pub pool: Arc<AgentWorkerPool>,
    pub outcome: Ended,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each pool, behind an Arc")]
pub enum Ended {
    Decided {
        inputs: Inputs,
        gaps: Gaps,
        shared_with: Vec<PoolKey>,
    },
    /// The pool cannot be worked with; nothing was decided.
    Refused(Refusal),
}

impl Explanations {
    pub fn keep(&self, key: &PoolKey, last: Last) {
        let last = Arc::new(last);
        let mut all = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match all.get_mut(key) {
            Some(kept) => Some(std::mem::replace(kept, last)),
            None => all.insert(key.clone(), last),
        };
        // Taking the old one apart keeps no other pool waiting.
        drop(all);
        drop(before);
    }

    pub fn forget(&self, key: &PoolKey) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// `None` = there is no such pool, or it was not looked at yet.
    pub fn report(&self, key: &PoolKey, now: Timestamp) -> Option<Report> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()?;
        Some(last.report(key, now))
    }
}

impl Last {
    fn report(&self, key: &PoolKey, now: Timestamp) -> Report {
        match &self.outcome {
            Ended::Decided { inputs, gaps, shared_with } => {
                let gaps: Vec<Unknown> = [&gaps.ready, &gaps.in_flight, &gaps.by_worker, &gaps.facts]
                    .into_iter()
                    .flatten()
                    .cloned()
                    .collect();
                let shared_with: Vec<String> = shared_with.iter().map(ToString::to_string).collect();
                let around = Circumstances {
                    namespace: &key.namespace,
                    pool: &key.name,
                    spec: &self.pool.spec,
                    gaps: &gaps,
                    shared_with: &shared_with,
                    now,
                };
                operator::report(&explain(inputs), &around, &self.pool.status.clone().unwrap_or_default())
            }
            Ended::Refused(refusal) => status::refused(&self.pool, refusal.reason, &refusal.message),
        }
    }
}
