//! What befalls requests and watches on their way.

use std::collections::BTreeSet;

use crate::api::request::{Asked, Verb};
use crate::api::store::{Kind, No};
use crate::dice::Dice;

/// How the API server and the way to it are. The default is a good day.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    /// Only this pool's requests are concerned; `None` = everybody's.
    pub only: Option<String>,
    /// Probability that a request is refused: 409, 429, 500, 503, 504.
    pub refuse: f64,
    /// Probability that a write is carried out and its answer lost.
    pub lose: f64,
    /// Probability that a request hangs for up to a minute, and is carried out then.
    pub hang: f64,
    /// Writes of this kind are held up for longer than a pass waits for them, and are carried out then.
    pub held: Option<Kind>,
    /// The longest delay of an ordinary request each way, milliseconds.
    pub slow: u64,
    /// The longest delay of a watch event, milliseconds.
    pub lag: u64,
    /// Kinds whose watches tell nothing, not even their end.
    pub silent: BTreeSet<Kind>,
    /// Kinds that may not be listed or watched.
    pub forbidden: BTreeSet<Kind>,
    /// Counts up when all streams are cut.
    pub cuts: u64,
}

/// What becomes of one request. Milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Fate {
    pub before: u64,
    pub refusal: Option<No>,
    pub after: u64,
    pub lost: bool,
}

impl Weather {
    /// Whether the weather leaves this one alone.
    pub fn calm(&self, asked: &Asked) -> bool {
        self.only.as_ref().is_some_and(|pool| !asked.concerns(pool))
    }

    pub fn fate(&self, asked: &Asked, dice: &mut Dice) -> Fate {
        let mut fate = Fate { before: dice.between(1, 4), after: dice.between(0, 3), ..Fate::default() };
        if self.calm(asked) {
            return fate;
        }
        if self.forbidden.contains(&asked.kind) && matches!(asked.verb, Verb::List | Verb::Watch { .. }) {
            fate.refusal = Some(No::new(403, "Forbidden", "may not list it"));
            return fate;
        }
        fate.before += dice.between(0, self.slow);
        fate.after += dice.between(0, self.slow);
        if asked.writes() && self.held == Some(asked.kind) {
            fate.before += dice.between(31_000, 60_000);
        } else if dice.chance(self.refuse) {
            fate.refusal = Some(refusal(asked, dice));
        } else if dice.chance(self.hang) {
            fate.before += dice.between(5_000, 60_000);
        } else if asked.writes() && dice.chance(self.lose) {
            fate.lost = true;
        }
        fate
    }

    pub fn lag(&self, asked: &Asked, dice: &mut Dice) -> u64 {
        let longest = if self.calm(asked) { 0 } else { self.lag };
        dice.between(1, 5 + longest)
    }
}

fn refusal(asked: &Asked, dice: &mut Dice) -> No {
    let all = [
        (429, "TooManyRequests", "the server has received too many requests and has asked us to try again later"),
        (500, "InternalError", "etcdserver: leader changed"),
        (503, "ServiceUnavailable", "the server is currently unable to handle the request"),
        (504, "Timeout", "request timed out"),
        (409, "Conflict", "Operation cannot be fulfilled: the object has been modified"),
    ];
    let some = if asked.writes() { &all[..] } else { &all[..4] };
    let (code, reason, message) = dice.one_of(some);
    No::new(code, reason, message)
}
