//! Readiness that names what is missing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The named things that must be there before the operator counts as ready.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    missing: Arc<Mutex<BTreeMap<String, &'static str>>>,
}

impl Readiness {
    /// Not ready until `part` is [`Self::found`]; `remedy` tells people what to look at.
    pub fn await_part(&self, part: impl Into<String>, remedy: &'static str) {
        self.lock().insert(part.into(), remedy);
    }

    pub fn found(&self, part: &str) {
        self.lock().remove(part);
    }

    /// `Ok`, or one line for each missing part.
    pub fn check(&self) -> Result<(), String> {
        let missing = self.lock();
        if missing.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = missing.iter().map(|(part, remedy)| format!("waiting for {part}: {remedy}")).collect();
        Err(lines.join("\n") + "\n")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, &'static str>> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_ready_says_what_is_missing_and_what_to_look_at() {
        let readiness = Readiness::default();
        readiness.await_part("pools in agents", "is the CRD installed?");
        assert_eq!(readiness.check(), Err("waiting for pools in agents: is the CRD installed?\n".into()));
        readiness.found("pools in agents");
        assert_eq!(readiness.check(), Ok(()));
    }
}
