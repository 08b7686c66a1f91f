//! From numbers to places, and the round numbers to write beside them.

use std::fmt::Write as _;

use k8s_openapi::jiff::Timestamp;

/// Numbers from 0 upwards, drawn from bottom to top.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    pub most: f64,
    step: f64,
    top: f64,
    height: f64,
}

impl Axis {
    /// Room for `largest`, rounded up to a whole step.
    pub fn upto(largest: f64, top: f64, height: f64) -> Self {
        let step = round_step(largest.max(1.0) / 4.0);
        let most = (largest.max(1.0) / step).ceil() * step;
        Self { most, step, top, height }
    }

    pub fn y(&self, value: f64) -> f64 {
        self.top + self.height * (1.0 - (value / self.most).clamp(0.0, 1.0))
    }

    pub fn ticks(&self) -> Vec<f64> {
        let count = (self.most / self.step).round() as u32;
        (0..=count).map(|tick| f64::from(tick) * self.step).collect()
    }
}

/// 1, 2 or 5 times a power of ten: the smallest that is not below `least`, and whole.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= least).unwrap_or(10.0 * power)
}

/// Seconds since the load began, drawn from left to right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeAxis {
    pub end: f64,
    pub left: f64,
    pub right: f64,
}

/// Distances of ticks, seconds.
const STEPS: [f64; 17] = [
    1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 10_800.0, 21_600.0, 43_200.0, 86_400.0,
    172_800.0, 604_800.0,
];
const MOST_TICKS: f64 = 13.0;

impl TimeAxis {
    pub fn x(&self, at: f64) -> f64 {
        self.left + (self.right - self.left) * (at / self.end).clamp(0.0, 1.0)
    }

    pub fn ticks(&self) -> Vec<f64> {
        let step =
            STEPS.into_iter().find(|step| self.end / step <= MOST_TICKS).unwrap_or_else(|| self.end / MOST_TICKS);
        (0..=(self.end / step) as u32).map(|tick| f64::from(tick) * step).collect()
    }

    /// Numbers and the unit below the lowest panel; `start` is seconds since 1970.
    pub fn draw(&self, bottom: f64, start: Option<f64>) -> String {
        let (unit, name) = match self.end {
            end if end >= 3.0 * 86_400.0 => (86_400.0, "days"),
            end if end >= 3.0 * 3600.0 => (3600.0, "hours"),
            end if end >= 180.0 => (60.0, "minutes"),
            _ => (1.0, "seconds"),
        };
        let mut out = String::new();
        for at in self.ticks() {
            let number = (at / unit * 100.0).round() / 100.0;
            let x = self.x(at);
            _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{number}</text>", bottom + 17.0);
        }
        let since = start.and_then(|start| Timestamp::from_second(start as i64).ok());
        let since = since.map_or_else(String::new, |start| start.strftime(" since %F %TZ").to_string());
        let middle = f64::midpoint(self.left, self.right);
        _ = writeln!(
            out,
            "<text x=\"{middle:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{name}{since}</text>",
            bottom + 37.0
        );
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_that_hold_the_largest() {
        for (largest, ticks) in [
            (0.0, vec![0.0, 1.0]),
            (3.0, vec![0.0, 1.0, 2.0, 3.0]),
            (45.0, vec![0.0, 20.0, 40.0, 60.0]),
            (1682.0, vec![0.0, 500.0, 1000.0, 1500.0, 2000.0]),
        ] {
            assert_eq!(Axis::upto(largest, 0.0, 100.0).ticks(), ticks);
        }
    }

    #[test]
    fn nothing_is_drawn_outside() {
        let axis = Axis::upto(45.0, 10.0, 100.0);
        assert_eq!(format!("{:?}", [0.0, 60.0, 1e9].map(|value| axis.y(value))), "[110.0, 10.0, 10.0]");
        let time = TimeAxis { end: 100.0, left: 10.0, right: 20.0 };
        assert_eq!(format!("{:?}", [0.0, 50.0, 200.0].map(|at| time.x(at))), "[10.0, 15.0, 20.0]");
    }

    #[test]
    fn time_has_a_handful_of_ticks_whatever_its_length() {
        for end in [1.0, 90.0, 3600.0, 68_724.0, 30.0 * 86_400.0, 1e9] {
            let ticks = TimeAxis { end, left: 0.0, right: 1.0 }.ticks().len();
            assert!((2..=14).contains(&ticks), "{end}: {ticks}");
        }
    }
}
