//! One chart among others over the same time.

use std::fmt::Write as _;

use super::axis::{Axis, TimeAxis};
use super::{legend, scale};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Steps, filled to the bottom.
    Area,
    Steps,
    /// A bar from `above` upwards, where there is anything above it.
    Bars {
        above: f64,
    },
}

/// Numbers over time, (seconds, number), in the order of time.
#[derive(Clone, Debug)]
pub struct Series {
    pub class: &'static str,
    pub label: &'static str,
    pub kind: Kind,
    pub points: Vec<(f64, f64)>,
}

#[derive(Clone, Debug)]
pub struct Panel {
    pub unit: &'static str,
    pub series: Vec<Series>,
    /// A line to keep below, with its name.
    pub goal: Option<(f64, String)>,
}

impl Panel {
    pub fn draw(&self, time: &TimeAxis, top: f64, height: f64) -> String {
        let goal = self.goal.as_ref().map_or(0.0, |(value, _)| value * 1.1);
        let numbers = self.series.iter().flat_map(|series| series.points.iter().map(|(_, number)| *number));
        let axis = scale(numbers.fold(goal, f64::max), top, height);
        let mut out = frame(time, &axis, top, height);
        for series in &self.series {
            let d = series.path(time, &axis);
            _ = writeln!(out, "<path class=\"{}\" d=\"{d}\"/>", series.class);
        }
        let (left, right) = (time.left, time.right);
        if let Some((value, name)) = &self.goal {
            let y = axis.y(*value);
            _ = writeln!(out, "<path class=\"goal\" d=\"M{left} {y:.1}H{right}\"/>");
            let (x, y) = (right - 4.0, y - 5.0);
            _ = writeln!(out, "<text class=\"goaltext\" x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{name}</text>");
        }
        let mut x = left + 70.0;
        _ = writeln!(out, "<text x=\"{left}\" y=\"{:.0}\">{}</text>", top - 8.0, self.unit);
        for series in self.series.iter().filter(|series| series.shows()) {
            x = legend(&mut out, x, top - 8.0, series.class, series.label);
        }
        out
    }
}

/// The grid and its numbers.
fn frame(time: &TimeAxis, axis: &Axis, top: f64, height: f64) -> String {
    let (left, right, bottom) = (time.left, time.right, top + height);
    let mut out = String::new();
    for value in axis.ticks() {
        let y = axis.y(value);
        _ = writeln!(out, "<path class=\"grid\" d=\"M{left} {y:.1}H{right}\"/>");
        let (x, y) = (left - 8.0, y + 4.0);
        _ = writeln!(out, "<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{value}</text>");
    }
    for at in time.ticks() {
        let x = time.x(at);
        _ = writeln!(out, "<path class=\"grid\" d=\"M{x:.1} {top}V{bottom}\"/>");
    }
    _ = writeln!(out, "<path class=\"axis\" d=\"M{left} {top}V{bottom}H{right}\"/>");
    out
}

impl Series {
    /// Something of it can be seen.
    fn shows(&self) -> bool {
        match self.kind {
            Kind::Area | Kind::Steps => true,
            Kind::Bars { above } => self.points.iter().any(|(_, number)| *number > above),
        }
    }

    fn path(&self, time: &TimeAxis, axis: &Axis) -> String {
        let columns = self.columns(time);
        let mut d = String::new();
        match self.kind {
            Kind::Bars { above } => {
                for (x, number) in columns.iter().filter(|(_, number)| *number > above) {
                    _ = write!(d, "M{x:.1} {:.1}V{:.1}", axis.y(above), axis.y(*number));
                }
            }
            Kind::Area | Kind::Steps => {
                let bottom = axis.y(0.0);
                let mut last: Option<f64> = None;
                for (x, number) in &columns {
                    let y = axis.y(*number);
                    match last {
                        None if self.kind == Kind::Area => _ = write!(d, "M{x:.1} {bottom:.1}V{y:.1}"),
                        None => _ = write!(d, "M{x:.1} {y:.1}"),
                        Some(before) if (before - y).abs() < 0.05 => continue,
                        Some(_) => _ = write!(d, "H{x:.1}V{y:.1}"),
                    }
                    last = Some(y);
                }
                if let (Some((x, _)), Some(_)) = (columns.last(), last) {
                    _ = write!(d, "H{x:.1}");
                    if self.kind == Kind::Area {
                        _ = write!(d, "V{bottom:.1}Z");
                    }
                }
            }
        }
        d
    }

    /// One point per column of the picture, the largest of what falls into it.
    fn columns(&self, time: &TimeAxis) -> Vec<(f64, f64)> {
        let mut columns: Vec<(f64, f64)> = Vec::new();
        for (at, number) in &self.points {
            let x = time.x(*at);
            match columns.last_mut() {
                Some((last, largest)) if x as i64 == *last as i64 => *largest = largest.max(*number),
                _ => columns.push((x, *number)),
            }
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: TimeAxis = TimeAxis { end: 100.0, left: 0.0, right: 10.0 };

    fn series(kind: Kind, points: &[(f64, f64)]) -> Series {
        Series { class: "x", label: "x", kind, points: points.to_vec() }
    }

    #[test]
    fn a_peak_between_two_columns_is_not_lost() {
        let points: Vec<(f64, f64)> = (0..100).map(|at| (f64::from(at), if at == 57 { 9.0 } else { 1.0 })).collect();
        let columns = series(Kind::Steps, &points).columns(&TIME);
        assert_eq!((columns.len(), columns[5]), (10, (5.0, 9.0)));
    }

    #[test]
    fn a_bar_stands_only_where_something_is_above_its_foot() {
        let axis = scale(10.0, 0.0, 100.0);
        let bars = series(Kind::Bars { above: 5.0 }, &[(10.0, 4.0), (50.0, 10.0)]);
        assert_eq!(bars.path(&TIME, &axis), "M5.0 50.0V0.0");
    }
}
