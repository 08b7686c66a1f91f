//! When a queue is looked at next. Pure. Each look is billed: at $0.40 per million an idle queue costs
//! 5 cents a month, a busy one 52.

use super::belief::Belief;
use crate::brokers::Interest;

/// Seconds between looks at a queue that holds something.
pub const BUSY: f64 = 2.0;

/// The same where no pool on it can grow.
pub const RELAXED: f64 = 10.0;

/// Seconds until the look that decides a doubt: another server may answer by then.
pub const SECOND_LOOK: f64 = 2.0;

/// Seconds between looks that are to prove a queue empty.
pub const PROVING: f64 = 5.0;

/// Seconds between looks at an empty queue.
pub const IDLE: f64 = 20.0;

/// A look comes at most [`SLOWER`] times as long after the last as that came after the one before, or this many seconds:
/// the law believes a reading for 15 s, or three times as long as it is used to wait for one, and a queue that is looked
/// at less often from one moment to the next must not seem to be lost.
const STEP: f64 = 10.0;
const SLOWER: f64 = 2.0;

/// Seconds between looks at a dead-letter queue, where some pool has workers and where none has.
pub const DEPTH: f64 = 60.0;
pub const DEPTH_IDLE: f64 = 300.0;

/// Looks are spread over this part of their period at its end: never earlier than it.
const SPREAD: f64 = 0.1;

/// Seconds from one look to the next, for what all pools on the queue want together.
pub fn period(belief: &Belief, interest: Interest, chance: f64) -> f64 {
    let period = if belief.is_doubted() {
        SECOND_LOOK
    } else if belief.looks_empty() {
        // Where nobody could be stopped too early, there is nothing to prove in a hurry.
        if interest.in_flight && !belief.is_proved_empty() { PROVING } else { IDLE }
    } else if interest.relaxed {
        RELAXED
    } else {
        BUSY
    };
    period.min(STEP.max(SLOWER * belief.interval().unwrap_or(0.0))) * (1.0 + SPREAD * chance)
}

/// Requests in a month of 30 days at one look per `period` seconds.
#[cfg(test)]
fn requests_a_month(period: f64) -> f64 {
    30.0 * 86_400.0 / period
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::brokers::sqs::belief::Look;
    use crate::scaling::time::Timestamp;

    fn seen(looks: &[(f64, u64)]) -> Belief {
        let mut belief = Belief::default();
        for &(at, visible) in looks {
            belief.looked(Look { visible, at: Timestamp(at), ..Look::default() });
        }
        belief
    }

    #[test]
    fn an_idle_queue_is_looked_at_at_most_once_in_twenty_seconds() {
        let belief = seen(&[(0.0, 0), (10.0, 0)]);
        for chance in [0.0, 0.5, 0.999] {
            assert!(period(&belief, Interest::default(), chance) >= 20.0);
        }
    }

    #[test]
    fn a_queue_is_looked_at_as_often_as_it_matters() {
        let (none, working) = (Interest::default(), Interest { in_flight: true, ..Interest::default() });
        let full = Interest { relaxed: true, ..working };
        let empty: Vec<(f64, u64)> = (0..20).map(|n| (f64::from(n) * 10.0, 0)).collect();
        for (looks, interest, expected) in [
            (&[(0.0, 50)][..], none, BUSY),
            (&[(0.0, 50)], full, RELAXED),
            (&[(0.0, 0)], working, PROVING),
            (&empty, working, IDLE),
            (&[(0.0, 0), (20.0, 1)], none, SECOND_LOOK),
        ] {
            assert!((period(&seen(looks), interest, 0.0) - expected).abs() < 1e-9, "{looks:?}");
        }
    }

    #[test]
    fn a_queue_that_falls_idle_is_never_silent_for_longer_than_a_reading_is_believed() {
        for busy in [BUSY, PROVING, RELAXED] {
            let mut looks: Vec<(f64, u64)> = (0..5).map(|n| (f64::from(n) * busy, 0)).collect();
            for _ in 0..30 {
                let period = period(&seen(&looks), Interest { in_flight: true, ..Interest::default() }, 0.999);
                let last_few = looks.windows(2).rev().take(4).map(|pair| pair[1].0 - pair[0].0);
                let longest = last_few.fold(0.0, f64::max);
                assert!(period < (3.0 * longest).max(15.0), "{period} s after {longest} s");
                looks.push((looks[looks.len() - 1].0 + period, 0));
            }
            let [.., (before, _), (last, _)] = looks[..] else { panic!("{looks:?}") };
            assert!(last - before >= IDLE, "{looks:?}");
        }
    }

    #[test]
    fn the_documented_costs_are_those_of_the_periods() {
        let dollars = |period| requests_a_month(period) * 0.4 / 1e6;
        assert_eq!(format!("{:.2} {:.2} {:.2}", dollars(IDLE), dollars(BUSY), dollars(RELAXED)), "0.05 0.52 0.10");
    }
}
