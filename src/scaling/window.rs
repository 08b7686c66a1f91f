//! The scale-down window: what was asked for a moment ago is kept a while.

use std::collections::VecDeque;

use super::settings::{DrainSupport, Settings};
use super::time::Timestamp;

/// Recommendations closer together than this part of the window count as one.
const PARTS: f64 = 64.0;

/// The shortest default window, seconds: below it the sources of the in-flight count (up to 5 s
/// old) could disagree with the decision they caused.
const SHORTEST_DEFAULT: f64 = 10.0;

/// The shortest window where nothing but the queue's counts tells who is busy, seconds: those of SQS may
/// be a minute old.
pub const SHORTEST_BY_COUNTS: f64 = 60.0;

/// The window's length: the user's, else the start-up time b.
///
/// b is the break-even point of the ski-rental problem (Karlin et al., 1988): a worker kept idle
/// for as long as it costs to start a new one wastes at most as much again as a policy that knows
/// the future.
pub fn length(settings: &Settings, startup: f64) -> f64 {
    let configured = settings.scale_down_window.filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
    let length = configured.unwrap_or_else(|| startup.max(SHORTEST_DEFAULT));
    if settings.drain == DrainSupport::Sigterm { length.max(SHORTEST_BY_COUNTS) } else { length }
}

/// The maximum recommendation of the recent past, in slots and before any cap.
///
/// Kept as a queue of falling maxima, so that pushing and reading cost O(1) on average.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    entries: VecDeque<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    from: Timestamp,
    until: Timestamp,
    slots: f64,
}

impl Window {
    /// Remembers a recommendation and forgets those older than `length` seconds.
    pub fn recommend(&mut self, slots: f64, length: f64, now: Timestamp) {
        while self.entries.front().is_some_and(|first| now.since(first.until) >= length) {
            self.entries.pop_front();
        }
        while self.entries.back().is_some_and(|last| last.slots <= slots) {
            self.entries.pop_back();
        }
        match self.entries.back_mut() {
            Some(last) if now.since(last.from) < length / PARTS => last.until = now,
            _ => self.entries.push_back(Entry { from: now, until: now, slots }),
        }
    }

    /// The largest recommendation remembered.
    pub fn most(&self) -> f64 {
        self.entries.front().map_or(0.0, |first| first.slots)
    }

    /// Seconds until the largest recommendation is forgotten.
    pub fn expires_in(&self, length: f64, now: Timestamp) -> Option<f64> {
        self.entries.front().map(|first| (length - now.since(first.until)).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::tests::fixtures::settings;

    #[test]
    fn the_maximum_of_the_window_holds_and_then_goes() {
        let mut window = Window::default();
        window.recommend(12.0, 20.0, Timestamp(0.0));
        window.recommend(4.0, 20.0, Timestamp(10.0));
        assert_eq!(window.most(), 12.0);
        assert_eq!(window.expires_in(20.0, Timestamp(10.0)), Some(10.0));
        window.recommend(2.0, 20.0, Timestamp(20.0));
        assert_eq!(window.most(), 4.0);
        window.recommend(0.0, 20.0, Timestamp(40.0));
        assert_eq!(window.most(), 0.0);
    }

    #[test]
    fn a_window_of_zero_keeps_nothing_but_the_newest() {
        let mut window = Window::default();
        window.recommend(12.0, 0.0, Timestamp(0.0));
        window.recommend(4.0, 0.0, Timestamp(0.0));
        assert_eq!(window.most(), 4.0);
    }

    #[test]
    fn many_decisions_in_a_long_window_stay_few_entries() {
        let mut window = Window::default();
        for tick in 0..100_000 {
            window.recommend(1e6 - f64::from(tick), 3600.0, Timestamp(f64::from(tick) * 0.1));
        }
        assert!(window.entries.len() <= 66, "{}", window.entries.len());
    }

    #[test]
    fn the_default_is_the_startup_time_and_at_least_ten_seconds() {
        let of = |scale_down_window, startup| length(&Settings { scale_down_window, ..settings() }, startup);
        assert_eq!((of(None, 42.0), of(None, 3.0), of(Some(0.0), 42.0)), (42.0, 10.0, 0.0));
    }

    #[test]
    fn counts_that_may_be_a_minute_old_lengthen_it() {
        let by_counts = Settings { drain: DrainSupport::Sigterm, scale_down_window: Some(0.0), ..settings() };
        assert_eq!(length(&by_counts, 42.0), 60.0);
    }
}
