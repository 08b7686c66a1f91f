//! λ: arrivals per second.

use std::collections::VecDeque;

use crate::scaling::time::Timestamp;

/// Seconds looked back. λ serves only the warm term and the display, so smooth beats quick.
const SPAN: f64 = 300.0;
/// Seconds counted together.
const BIN: f64 = 5.0;

/// λ = arrivals of the last 300 s / 300 s.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rate {
    bins: VecDeque<Bin>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Bin {
    from: Timestamp,
    count: f64,
}

impl Rate {
    /// As if `per_second` had arrived steadily until now.
    pub fn restored(per_second: f64, now: Timestamp) -> Self {
        let bins = (SPAN / BIN) as u32;
        let bin = |back: u32| Bin { from: now.plus(-BIN * f64::from(back)), count: per_second * BIN };
        Self { bins: if per_second > 0.0 { (1..=bins).rev().map(bin).collect() } else { VecDeque::new() } }
    }

    pub fn record(&mut self, count: u64, now: Timestamp) {
        self.forget(now);
        if count == 0 {
            return;
        }
        match self.bins.back_mut() {
            Some(last) if now.since(last.from) < BIN => last.count += count as f64,
            _ => self.bins.push_back(Bin { from: now, count: count as f64 }),
        }
    }

    pub fn per_second(&self, now: Timestamp) -> f64 {
        self.bins
            .iter()
            .filter(|bin| now.since(bin.from) < SPAN + BIN / 2.0)
            .map(|bin| bin.count)
            .fold(0.0, |sum, count| sum + count)
            / SPAN
    }

    fn forget(&mut self, now: Timestamp) {
        while self.bins.front().is_some_and(|bin| now.since(bin.from) > SPAN + BIN) {
            self.bins.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_mean_of_the_last_five_minutes() {
        let mut rate = Rate::default();
        for second in 0..600 {
            rate.record(2, Timestamp(f64::from(second)));
        }
        let now = Timestamp(600.0);
        assert!((rate.per_second(now) - 2.0).abs() < 0.05, "{}", rate.per_second(now));
        assert_eq!(rate.per_second(now.plus(400.0)), 0.0);
    }

    #[test]
    fn a_restored_rate_is_the_same_and_fades_like_any_other() {
        let now = Timestamp(1000.0);
        let rate = Rate::restored(0.4, now);
        assert!((rate.per_second(now) - 0.4).abs() < 1e-9);
        assert!((rate.per_second(now.plus(150.0)) - 0.2).abs() < 0.01);
    }
}
