//! The answer for people.

use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use k8s_openapi::jiff::Timestamp;

use super::{Run, Story};
use crate::api::duration;
use crate::scaling::settings::DrainSupport;
use crate::simulation::compare::Pool;
use crate::simulation::outcome::{Late, Summary};
use crate::simulation::policy::law::Sight;
use crate::simulation::replay::Replayed;
use crate::simulation::trace::seconds;

/// Late episodes told at most.
const TOLD: usize = 5;

pub(super) fn of(story: &Story) -> String {
    let mut text = String::new();
    for line in [load(story), pool(&story.pool)] {
        text += &line;
        text.push('\n');
    }
    text.push('\n');
    let recorded = story.load.recorded.as_ref();
    match story.runs.as_slice() {
        [run] => {
            text += &alone(run);
            if let Some(recorded) = recorded {
                text += &as_recorded(recorded, &story.pool, &run.summary);
            }
        }
        runs => text += &side_by_side(runs),
    }
    for run in story.runs.iter().take(1) {
        text += &late(run, story, recorded.map(|recorded| recorded.start));
    }
    text
}

pub(super) fn load(story: &Story) -> String {
    let trace = &story.load.trace;
    format!(
        "{}: {} tasks over {}, {} each on average",
        trace.name,
        count(trace.tasks.len() as f64),
        long(seconds(trace.length())),
        short(trace.mean_duration()),
    )
}

pub(super) fn pool(pool: &Pool) -> String {
    let settings = &pool.settings;
    let slots = pool.slots();
    let startup = if pool.startup.0 < pool.startup.1 {
        format!("{} to {}", short(pool.startup.0), short(pool.startup.1))
    } else {
        short(pool.startup.1)
    };
    let stop = match settings.drain {
        DrainSupport::Protocol => "busy workers drain",
        DrainSupport::IdleOnly => "only idle workers go",
        DrainSupport::Sigterm => "busy workers drain on SIGTERM",
    };
    let sight = match pool.sight {
        Sight::Exact => "",
        Sight::Lagging => ", counts up to 5 s old",
        Sight::Total => ", only the queue's total is seen",
    };
    format!(
        "start within {}, {slots} {} a worker, {} to {} workers; start-up {startup}, a decision every {}, {stop}{sight}",
        short(settings.start_within),
        if slots == 1 { "task" } else { "tasks" },
        settings.min_replicas,
        settings.max_replicas,
        short(pool.interval),
    )
}

/// A run in one line.
pub(super) fn headline(run: &Run, story: &Story) -> String {
    let summary = &run.summary;
    format!(
        "{}: {} started within {}, the longest wait {}; {} worker-hours {}; {} interrupted",
        run.contender.name(),
        percent(summary.in_time),
        short(story.pool.settings.start_within),
        short(summary.waits.max),
        hours(summary.worker_hours),
        packed(summary),
        tasks(summary.interrupted),
    )
}

fn alone(run: &Run) -> String {
    let summary = &run.summary;
    let in_time = run.outcome.waits.len() - run.late.iter().map(|late| late.tasks).sum::<usize>();
    let mut lines = vec![
        (
            "started in time",
            format!("{} ({} of {})", percent(summary.in_time), count(in_time as f64), count(summary.tasks as f64)),
        ),
        (
            "waited",
            format!(
                "p50 {}, p95 {}, at most {}",
                short(summary.waits.p50),
                short(summary.waits.p95),
                short(summary.waits.max)
            ),
        ),
        ("worker-hours", format!("{} {}", hours(summary.worker_hours), packed(summary))),
        ("interrupted", tasks(summary.interrupted)),
        ("most workers", count(summary.most_workers)),
        ("workers started", count(summary.starts)),
    ];
    if summary.unfinished > 0.0 {
        lines.push(("never finished", tasks(summary.unfinished)));
    }
    lines.iter().map(|(name, value)| format!("{name:<18}{value}\n")).collect()
}

fn packed(summary: &Summary) -> String {
    let packed = hours(summary.packed_worker_hours);
    format!("({:.2} × perfectly packed, which is {packed})", summary.packed_ratio())
}

/// What really happened, beside what would have.
fn as_recorded(recorded: &Replayed, pool: &Pool, summary: &Summary) -> String {
    let then = recorded.worker_seconds / 3600.0;
    let mut text = format!(
        "\nas recorded       {} worker-hours, {} in time, the longest wait {}\n",
        hours(then),
        percent(recorded.started_within(pool.settings.start_within)),
        short(recorded.longest_wait()),
    );
    if then > 0.0 {
        let change = (summary.worker_hours / then - 1.0) * 100.0;
        _ = writeln!(text, "the difference    {change:+.0} % worker-hours");
    }
    if recorded.open > 0 {
        let are = if recorded.open == 1 { "task had" } else { "tasks had" };
        _ = writeln!(text, "{} {are} not ended when the record did; they are taken to end with it", recorded.open);
    }
    text
}

fn side_by_side(runs: &[Run]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    let header =
        ["POLICY", "IN TIME", "WAIT P50", "P95", "MAX", "WORKER-HOURS", "× PACKED", "INTERRUPTED", "MOST", "STARTED"];
    table.set_header(header);
    for run in runs {
        let summary = &run.summary;
        table.add_row(vec![
            run.contender.name().to_owned(),
            percent(summary.in_time),
            short(summary.waits.p50),
            short(summary.waits.p95),
            short(summary.waits.max),
            hours(summary.worker_hours),
            format!("{:.2}", summary.packed_ratio()),
            count(summary.interrupted),
            count(summary.most_workers),
            count(summary.starts),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = trimmed(&table.to_string());
    text.push('\n');
    for run in runs {
        _ = writeln!(text, "{:<20} {}", run.contender.name(), run.contender.what());
    }
    text
}

/// Lines without blanks at their ends.
fn trimmed(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Who would have waited for too long, and when.
fn late(run: &Run, story: &Story, start: Option<f64>) -> String {
    if run.late.is_empty() {
        return String::new();
    }
    let promise = short(story.pool.settings.start_within);
    let mut text = format!("\nWaited for more than {promise} under {}:\n", run.contender.name());
    for one in run.late.iter().take(TOLD) {
        let Late { from, to, tasks: count, longest_wait } = one;
        _ = writeln!(
            text,
            "  {} that came {}: up to {}",
            tasks(*count as f64),
            span(*from, *to, start),
            short(*longest_wait)
        );
    }
    if run.late.len() > TOLD {
        _ = writeln!(text, "  and at {} more times (-o json has them all)", run.late.len() - TOLD);
    }
    text
}

/// From when to when, in the load's own time or, where it was recorded, by the clock.
fn span(from: f64, to: f64, start: Option<f64>) -> String {
    let clock = |at: f64| start.and_then(|start| Timestamp::from_second((start + at) as i64).ok());
    let point = |at: f64| clock(at).map_or_else(|| long(at), |time| time.strftime("%F %TZ").to_string());
    if to - from < 1.0 { format!("at {}", point(from)) } else { format!("from {} to {}", point(from), point(to)) }
}

/// Rounded down: what is not all is not 100 %.
fn percent(share: f64) -> String {
    let hundredths = (share * 10_000.0 + 1e-9).floor();
    if hundredths % 100.0 == 0.0 { format!("{} %", hundredths / 100.0) } else { format!("{:.2} %", hundredths / 100.0) }
}

fn hours(hours: f64) -> String {
    if hours < 10.0 { format!("{hours:.2}") } else { format!("{hours:.1}") }
}

fn tasks(number: f64) -> String {
    format!("{} {}", count(number), if number == 1.0 { "task" } else { "tasks" })
}

/// `8,819`
fn count(number: f64) -> String {
    let digits = format!("{:.0}", number.round());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A wait or a duration: to a tenth below two minutes.
pub(super) fn short(seconds: f64) -> String {
    match seconds {
        seconds if !seconds.is_finite() => "for ever".to_owned(),
        seconds if seconds < 119.95 => format!("{} s", (seconds * 10.0).round() / 10.0),
        seconds => duration::format(seconds),
    }
}

/// Hours and minutes; below three minutes seconds.
fn long(seconds: f64) -> String {
    match (seconds / 60.0).round() as u64 {
        0..3 => format!("{seconds:.0} s"),
        minutes if minutes < 120 => format!("{minutes} min"),
        minutes => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_all_is_not_a_hundred_per_cent() {
        assert_eq!([1.0, 0.99999, 0.5, 0.12345].map(percent), ["100 %", "99.99 %", "50 %", "12.34 %"]);
    }

    #[test]
    fn numbers_are_written_as_people_read_them() {
        assert_eq!([7.0, 8819.0, 1_234_567.0].map(count), ["7", "8,819", "1,234,567"]);
        assert_eq!([31.44, 0.0, 754.0, f64::INFINITY].map(short), ["31.4 s", "0 s", "12m34s", "for ever"]);
        assert_eq!([42.4, 3540.0, 68_724.0].map(long), ["42 s", "59 min", "19 h 5 min"]);
    }

    #[test]
    fn late_tasks_are_dated_by_the_clock_where_it_is_known() {
        assert_eq!(span(60.0, 7260.0, None), "from 60 s to 2 h 1 min");
        assert_eq!(span(60.0, 60.0, None), "at 60 s");
        assert_eq!(span(0.0, 90.0, Some(1_795_508_700.0)), "from 2026-11-24 08:25:00Z to 2026-11-24 08:26:30Z");
        assert_eq!(span(0.0, 0.0, Some(1_795_508_700.0)), "at 2026-11-24 08:25:00Z");
    }
}
