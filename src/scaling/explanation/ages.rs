//! The shape of the arrival list.

use crate::scaling::arrivals::Arrivals;
use crate::scaling::time::Timestamp;

/// Bins of the histogram, youngest first: as many as a line of text can show.
const BINS: usize = 16;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ages {
    pub count: u64,
    /// Seconds; `None` = nobody waits.
    pub oldest: Option<f64>,
    /// Of equal width, from age 0 to the oldest; empty if nobody waits.
    pub bins: Vec<Bin>,
}

/// Tasks that have waited for less than `upto` seconds, and not less than the bin before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    pub upto: f64,
    pub count: u64,
}

pub(super) fn of(arrivals: &Arrivals, now: Timestamp) -> Ages {
    let Some(oldest) = arrivals.oldest().map(|at| now.since(at).max(0.0)) else { return Ages::default() };
    let width = oldest / BINS as f64;
    let mut bins: Vec<Bin> = (1..=BINS).map(|bin| Bin { upto: width * bin as f64, count: 0 }).collect();
    for arrival in arrivals.iter() {
        let age = now.since(arrival.at).max(0.0);
        let bin = if width > 0.0 { (age / width) as usize } else { 0 };
        let bin = &mut bins[bin.min(BINS - 1)];
        bin.count = bin.count.saturating_add(arrival.count);
    }
    Ages { count: arrivals.total(), oldest: Some(oldest), bins }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_task_is_in_one_bin_and_the_oldest_in_the_last() {
        let mut arrivals = Arrivals::default();
        arrivals.arrive(Timestamp(0.0), 3);
        arrivals.arrive(Timestamp(99.0), 2);
        let ages = of(&arrivals, Timestamp(100.0));
        assert_eq!((ages.count, ages.oldest), (5, Some(100.0)));
        assert_eq!((ages.bins[0].count, ages.bins[BINS - 1].count), (2, 3));
        assert_eq!(ages.bins.iter().map(|bin| bin.count).sum::<u64>(), 5);
    }

    #[test]
    fn tasks_that_just_came_all_at_once_have_a_shape_too() {
        let mut arrivals = Arrivals::default();
        arrivals.arrive(Timestamp(5.0), 7);
        assert_eq!(of(&arrivals, Timestamp(5.0)).bins[0].count, 7);
        assert_eq!(of(&Arrivals::default(), Timestamp(5.0)), Ages::default());
    }
}
