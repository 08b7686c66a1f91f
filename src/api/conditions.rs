//! Setting a condition the Kubernetes way: the transition time moves only with the status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Longer texts belong in logs; the API server refuses more than 32 KiB.
const LONGEST_MESSAGE: usize = 1024;

/// What a condition should say now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Says {
    /// One of [`super::names::conditions`].
    pub type_: &'static str,
    pub status: Status,
    /// One of [`super::names::reasons`], or a broker's static reason.
    pub reason: &'static str,
    /// For people: what is the case, and what to do about it.
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    True,
    False,
    Unknown,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Status {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// Adds or replaces the condition; true if its status is new (an event is due).
pub fn set(conditions: &mut Vec<Condition>, says: Says, generation: Option<i64>, now: Time) -> bool {
    let Says { type_, status, reason, message } = says;
    let old = conditions.iter_mut().find(|condition| condition.type_ == type_);
    let transition = old.as_ref().is_none_or(|old| old.status != status.as_str());
    let new = Condition {
        type_: type_.to_owned(),
        status: status.as_str().to_owned(),
        reason: reason.to_owned(),
        message: shortened(message),
        observed_generation: generation,
        last_transition_time: match &old {
            Some(old) if !transition => old.last_transition_time.clone(),
            _ => now,
        },
    };
    match old {
        Some(old) => *old = new,
        None => conditions.push(new),
    }
    transition
}

/// Takes back a condition that does not apply any more; true if it was there.
pub fn remove(conditions: &mut Vec<Condition>, type_: &str) -> bool {
    let before = conditions.len();
    conditions.retain(|condition| condition.type_ != type_);
    conditions.len() < before
}

pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == Status::True.as_str())
}

fn shortened(mut message: String) -> String {
    if message.len() > LONGEST_MESSAGE {
        let end = (0..=LONGEST_MESSAGE).rev().find(|&at| message.is_char_boundary(at)).unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::super::names::{conditions as types, reasons};
    use super::*;

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(second).unwrap())
    }

    fn ready(status: Status, message: &str) -> Says {
        Says { type_: types::READY, status, reason: reasons::APPLIED, message: message.to_owned() }
    }

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let mut conditions = vec![];
        assert!(set(&mut conditions, ready(Status::True, "3 of 3"), Some(1), at(10)));
        assert!(!set(&mut conditions, ready(Status::True, "4 of 4"), Some(2), at(20)));
        let condition = find(&conditions, types::READY).unwrap();
        assert_eq!((condition.message.as_str(), condition.observed_generation), ("4 of 4", Some(2)));
        assert_eq!(condition.last_transition_time, at(10));

        assert!(set(&mut conditions, ready(Status::False, "no queue"), Some(2), at(30)));
        assert_eq!(find(&conditions, types::READY).unwrap().last_transition_time, at(30));
        assert_eq!(conditions.len(), 1);
    }

    #[test]
    fn other_conditions_keep_their_place() {
        let mut conditions = vec![];
        let draining = Says { type_: types::DRAINING, ..ready(Status::True, "1 worker") };
        set(&mut conditions, draining.clone(), None, at(1));
        set(&mut conditions, ready(Status::True, "ok"), None, at(1));
        set(&mut conditions, draining, None, at(2));
        let types: Vec<_> = conditions.iter().map(|c| c.type_.as_str()).collect();
        assert_eq!(types, ["Draining", "Ready"]);
    }

    #[test]
    fn a_condition_that_does_not_apply_is_taken_back() {
        let mut conditions = vec![];
        set(&mut conditions, ready(Status::True, "ok"), None, at(1));
        assert!(is_true(&conditions, types::READY));
        assert!(remove(&mut conditions, types::READY));
        assert!(!remove(&mut conditions, types::READY));
        assert!(!is_true(&conditions, types::READY));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let mut conditions = vec![];
        set(&mut conditions, ready(Status::True, &"ä".repeat(2000)), None, at(1));
        let message = &conditions[0].message;
        assert!(message.len() <= LONGEST_MESSAGE + '…'.len_utf8() && message.ends_with('…'));
    }
}
