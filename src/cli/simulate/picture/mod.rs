//! A run as a picture: backlog and tasks in flight, workers wanted and asked for, and how long tasks waited, with the
//! objective drawn in.
//!
//! One SVG without script or font of its own, legible on light and on dark backgrounds: it has colours for both
//! and takes those of the reader's choice. Where there are more decisions than columns, a column shows its largest.

mod axis;
mod panel;

use std::fmt::Write as _;

use super::text;
use super::{Run, Story};
use crate::simulation::run::Moment;
use crate::simulation::trace::{Trace, seconds};
use axis::{Axis, TimeAxis};
use panel::{Kind, Panel, Series};

const WIDTH: f64 = 1000.0;
/// Left of the panels: numbers and units.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 984.0;
const TOP: f64 = 84.0;
const PANEL: f64 = 150.0;
/// Between two panels: the legend of the lower one.
const GAP: f64 = 44.0;
const BOTTOM: f64 = 52.0;
/// Characters of the title at most.
const TITLE: usize = 105;

const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#1f2328}.h{font-size:15px;font-weight:600}.bg{fill:#fff}\
.grid{stroke:#d0d7de;stroke-width:1}.axis{stroke:#57606a;stroke-width:1}\
path{fill:none;stroke-linejoin:round}.ready{fill:#f59e0b;stroke:#b45309}.flight{stroke:#2563eb;stroke-width:1.5}\
.wanted{stroke:#9333ea;stroke-dasharray:3 2}.replicas{stroke:#047857;stroke-width:2}\
.wait{stroke:#57606a}.late{stroke:#dc2626;stroke-width:2}.goal{stroke:#dc2626;stroke-width:1.5;stroke-dasharray:7 4}\
.goaltext{fill:#b91c1c;paint-order:stroke;stroke:#fff;stroke-width:4}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.bg{fill:#0d1117}.grid{stroke:#30363d}.axis{stroke:#8b949e}\
.ready{fill:#d97706;stroke:#fbbf24}.flight{stroke:#60a5fa}.wanted{stroke:#c084fc}.replicas{stroke:#34d399}\
.wait{stroke:#9ca3af}.late{stroke:#f87171}.goal{stroke:#f87171}.goaltext{fill:#fca5a5;stroke:#0d1117}}";

/// The first run of the story.
pub(super) fn draw(story: &Story) -> String {
    let Some(run) = story.runs.first() else { return String::new() };
    let trace = &story.load.trace;
    let end = run.outcome.moments.last().map_or(1.0, |moment| seconds(moment.at)).max(seconds(trace.length())).max(1.0);
    let time = TimeAxis { end, left: LEFT, right: RIGHT };
    let mut top = TOP;
    let mut body = String::new();
    for panel in panels(story, run, trace) {
        body += &panel.draw(&time, top, PANEL);
        top += PANEL + GAP;
    }
    let bottom = top - GAP;
    body += &time.draw(bottom, story.load.recorded.as_ref().map(|recorded| recorded.start));
    let height = bottom + BOTTOM;
    let (title, about) = (escape(&shortened(&text::load(story))), escape(&text::pool(&story.pool)));
    let came = escape(&text::headline(run, story));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-labelledby=\"t d\">\n<title id=\"t\">{title}</title>\n<desc id=\"d\">{about}. {came}</desc>\n\
         <style>{STYLE}</style>\n<rect class=\"bg\" width=\"{WIDTH}\" height=\"{height}\"/>\n\
         <text class=\"h\" x=\"{LEFT}\" y=\"22\">{title}</text>\n<text x=\"{LEFT}\" y=\"40\">{about}</text>\n\
         <text x=\"{LEFT}\" y=\"57\">{came}</text>\n{body}</svg>\n"
    )
}

fn panels(story: &Story, run: &Run, trace: &Trace) -> [Panel; 3] {
    let moments = &run.outcome.moments;
    let of = |number: fn(&Moment) -> u32| -> Vec<(f64, f64)> {
        moments.iter().map(|moment| (seconds(moment.at), f64::from(number(moment)))).collect()
    };
    let start_within = story.pool.settings.start_within;
    let endless = moments.last().map_or(0.0, |moment| seconds(moment.at));
    let waits: Vec<(f64, f64)> = trace
        .tasks
        .iter()
        .zip(&run.outcome.waits)
        .map(|(task, wait)| (seconds(task.arrives), wait.unwrap_or(endless - seconds(task.arrives))))
        .collect();
    let most = f64::from(story.pool.settings.max_replicas);
    let reached = moments.iter().any(|moment| f64::from(moment.wanted) >= most);
    [
        Panel {
            unit: "tasks",
            series: vec![
                Series { class: "ready", label: "backlog", kind: Kind::Area, points: of(|moment| moment.ready) },
                Series {
                    class: "flight",
                    label: "in flight",
                    kind: Kind::Steps,
                    points: of(|moment| moment.in_flight),
                },
            ],
            goal: None,
        },
        Panel {
            unit: "workers",
            series: vec![
                Series {
                    class: "replicas",
                    label: "replicas",
                    kind: Kind::Steps,
                    points: of(|moment| moment.replicas),
                },
                Series { class: "wanted", label: "wanted", kind: Kind::Steps, points: of(|moment| moment.wanted) },
            ],
            goal: reached.then(|| (most, format!("maxReplicas {most}"))),
        },
        Panel {
            unit: "seconds",
            series: vec![
                Series {
                    class: "wait",
                    label: "longest wait of tasks that came then",
                    kind: Kind::Bars { above: 0.0 },
                    points: waits.clone(),
                },
                Series { class: "late", label: "too long", kind: Kind::Bars { above: start_within }, points: waits },
            ],
            goal: Some((start_within, format!("startWithin {}", text::short(start_within)))),
        },
    ]
}

/// What fits into a line; of a long path the end says more.
fn shortened(title: &str) -> String {
    let count = title.chars().count();
    if count <= TITLE {
        title.to_owned()
    } else {
        format!("…{}", title.chars().skip(count + 1 - TITLE).collect::<String>())
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A label that names a class by its colour and stroke.
fn legend(out: &mut String, x: f64, y: f64, class: &str, label: &str) -> f64 {
    _ = writeln!(out, "<path class=\"{class}\" d=\"M{x:.0} {:.0}h22\"/>", y - 4.0);
    _ = writeln!(out, "<text x=\"{:.0}\" y=\"{y:.0}\">{}</text>", x + 28.0, escape(label));
    x + 28.0 + 7.0 * label.chars().count() as f64 + 22.0
}

/// The scale of one panel.
fn scale(largest: f64, top: f64, height: f64) -> Axis {
    Axis::upto(largest, top, height)
}
