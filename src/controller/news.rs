//! How a pass ended: what status, conditions and events are made from.

use super::apply::Outcome;
use super::observe::Seen;
use super::validate::{Plan, Refusal};
use crate::scaling::decision::Decision;

#[derive(Debug)]
pub enum News<'a> {
    Refused(Refusal),
    Decided { decision: Box<Decision>, outcome: Outcome, plan: &'a Plan, seen: &'a Seen },
}
