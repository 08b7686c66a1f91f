//! The report on one screen, as a colleague would put it.

use super::page::Page;
use super::report::{self, Law, Problem, Report, Worker, Workers};
use super::words::{ago, list, number, percent, plural, seconds, sparkline};
use crate::api::quantity;

/// Workers named for each verdict; the rest is counted.
const NAMED: usize = 6;

pub fn render(report: &Report, colour: bool) -> String {
    let mut page = Page::new(colour);
    headline(&mut page, report);
    for missing in &report.missing {
        page.warning("MISSING", missing);
    }
    read(&mut page, report);
    queue(&mut page, report);
    learned(&mut page, report);
    if let Some(law) = &report.law {
        the_law(&mut page, law);
    }
    steps(&mut page, report);
    limits(&mut page, report);
    what_if(&mut page, report);
    if let Some(workers) = &report.workers {
        who_goes(&mut page, workers);
    }
    sizes(&mut page, report);
    problems(&mut page, report);
    page.finish()
}

fn headline(page: &mut Page, report: &Report) {
    let decided = report.decision.as_ref().map_or_else(String::new, |decision| {
        let report::Decision { wanted, granted, applied, bound_by } = decision;
        format!(": wanted {wanted}, granted {granted}, applied {applied} – {bound_by}")
    });
    let mode = if report.mode == "Auto" { String::new() } else { format!(" (mode {})", report.mode) };
    page.title(&format!("{}/{}{decided}{mode}", report.namespace, report.pool));
    page.plain(&report.summary);
}

fn read(page: &mut Page, report: &Report) {
    let decided = report.decided_ago.map(|seconds| format!("decided {}", ago(seconds)));
    let from = report.queue.as_ref().map(|queue| format!("from {queue}"));
    let Some(reading) = &report.reading else {
        if let Some(from) = from {
            page.row("READ", &format!("nothing yet {from}"));
        }
        return;
    };
    page.row("READ", &list([Some(reading.trust.to_lowercase()), decided, from].into_iter().flatten(), ", "));
    if let Some(unknown) = reading.unknown.as_ref().filter(|unknown| !report.summary.contains(&unknown.message)) {
        page.warning("", &format!("{}: {}", unknown.reason, unknown.message));
    }
    if let Some(since) = reading.unknown_for {
        let then = match reading.fallback_in {
            Some(0.0) => "scaling.fallback is due: it only raises".to_owned(),
            Some(left) => format!("scaling.fallback raises the pool in {}", seconds(left)),
            None => "there is no scaling.fallback".to_owned(),
        };
        page.row("", &format!("not known for {}: nothing shrinks until it is; {then}", seconds(since)));
    }
    page.row("", &counts(reading));
    if !reading.shared_with.is_empty() {
        page.row("", &format!("a part of the queue, which is shared with {}", reading.shared_with.join(", ")));
    }
}

fn counts(reading: &super::report::Reading) -> String {
    let aged = |age: Option<f64>| age.map_or_else(String::new, |age| format!(" ({} old)", seconds(age)));
    let ready = reading.ready.map_or_else(
        || "waiting: never read".to_owned(),
        |ready| format!("waiting {}{}", ready.count, aged(ready.age)),
    );
    let in_flight = match reading.in_flight {
        Some(count) => format!("in flight {count}"),
        None => "in flight not known".to_owned(),
    };
    let broker =
        reading.in_flight_by_broker.map(|count| format!("the broker counts {}{}", count.count, aged(count.age)));
    let workers = reading.in_flight_by_workers.map(|reported| {
        let (workers, of) = (reported.workers, plural(reported.of, "worker"));
        format!("reports from {workers} of {of}: {}{}", reported.count, aged(reported.age))
    });
    let by_worker = reading.by_worker_age.map(|age| format!("who holds what: {} old", seconds(age)));
    let sources = list([broker, workers, by_worker].into_iter().flatten(), "; ");
    let colon = if sources.is_empty() { "" } else { ": " };
    format!("{ready}, {in_flight}{colon}{sources}")
}

fn queue(page: &mut Page, report: &Report) {
    let Some(waiting) = report.waiting.as_ref().filter(|waiting| waiting.count > 0) else { return };
    let Some(oldest) = waiting.oldest else { return };
    let count = plural(waiting.count, "task");
    if waiting.ages.is_empty() {
        page.row("QUEUE", &format!("{count}; never empty for {}", seconds(oldest)));
        return;
    }
    let counts: Vec<u64> = waiting.ages.iter().map(|bin| bin.count).collect();
    if counts.iter().filter(|count| **count > 0).count() == 1 {
        page.row("QUEUE", &format!("{count}, all of them arrived {}", ago(oldest)));
        return;
    }
    let shape = sparkline(&counts);
    page.row("QUEUE", &format!("just now {shape} {} ago: when the {count} arrived", seconds(oldest)));
}

fn learned(page: &mut Page, report: &Report) {
    let said = report.estimates.iter().map(|estimate| {
        let (name, value) = match estimate.name.as_str() {
            "taskDuration" => ("a task takes", seconds(estimate.value)),
            "startup" => ("a worker starts in", seconds(estimate.value)),
            "taskMemory" => ("a task's memory", quantity::format(estimate.value as u64)),
            _ => ("arrivals", format!("{} a minute", number(estimate.value * 60.0))),
        };
        let from = match (estimate.samples, estimate.age) {
            _ if estimate.name == "arrivals" => Some("last 5 min".to_owned()),
            (Some(samples), Some(age)) if samples >= 0.5 => {
                Some(format!("{} seen, the last {}", number(samples.round()), ago(age)))
            }
            (Some(_), _) if estimate.restored => Some("from before a restart".to_owned()),
            (Some(_), _) if estimate.name == "taskDuration" => Some("none was seen to end yet".to_owned()),
            (Some(_), _) => Some("first guess".to_owned()),
            (None, _) => None,
        };
        from.map_or_else(|| format!("{name} {value}"), |from| format!("{name} {value} ({from})"))
    });
    let said = list(said, " · ");
    if !said.is_empty() {
        page.row("LEARNED", &said);
    }
}

/// The terms of docs/explain.md with their numbers.
fn the_law(page: &mut Page, law: &Law) {
    let (slots, n, free) = (number(law.slots), number(law.in_flight), number(law.slots - law.in_flight));
    let unsure = if law.in_flight_known { "" } else { " at most (in flight is not known)" };
    page.row(
        "LAW",
        &format!(
            "W  = λ·max(0, b+T−D) + warmSlots = {} to keep free; D {}, T {}, b {}, λ {}/s",
            number(law.free_slots),
            seconds(law.start_within),
            seconds(law.interval),
            seconds(law.startup),
            number(law.arrivals_per_second)
        ),
    );
    page.row("", &format!("c0 − n = {slots} slots − {n} in flight{unsure} = {free} free"));
    let answer = format!("{} slots, {}", number(law.wanted_slots), plural(law.wanted, "worker"));
    let Some(task) = &law.decisive else {
        let queued = if law.ready > 0.0 { "no queued task is shorter of slots than that" } else { "nothing is queued" };
        page.row("", &format!("x0 = W − free = {}; {queued}: {answer}", number(law.short)));
        return;
    };
    let position = number(task.position);
    page.row(
        "",
        &format!(
            "task {position} of {} decides: it waited {}, a = D − T − {} = {} left",
            number(law.ready),
            seconds(task.waited),
            seconds(task.waited),
            seconds_signed(task.left)
        ),
    );
    page.row(
        "",
        &format!(
            "tasks that end in time: c0·max(0, a − b)/S = {slots}·{}/{} = {}",
            number((task.left - law.startup).max(0.0)),
            number(law.task_duration),
            number(task.completions)
        ),
    );
    let sum = format!("x  = {position} + {} − {free} − {}", number(law.free_slots), number(task.completions));
    let short = if task.short > 0.0 { "slots short" } else { "slots, none is short" };
    page.row("", &format!("{sum} = {} {short}: {answer}", number(task.short)));
}

fn seconds_signed(left: f64) -> String {
    if left < 0.0 { format!("−{}", seconds(-left)) } else { seconds(left) }
}

fn steps(page: &mut Page, report: &Report) {
    for (number, step) in report.steps.iter().enumerate() {
        let label = if number == 0 { "STEPS" } else { "" };
        let held = report.reading.as_ref().and_then(|reading| reading.unknown.as_ref());
        let detail = match held {
            Some(unknown) if step.detail.contains(&unknown.message) => "what runs stays",
            _ => &step.detail,
        };
        let named = detail.starts_with(&step.name);
        let text = if named { detail.to_owned() } else { format!("{}: {detail}", step.name) };
        page.row(label, &format!("{:>4}  {text}", step.replicas));
    }
    if let Some(decision) = report.decision.as_ref().filter(|_| !report.steps.is_empty()) {
        page.row("", &format!("{:>4}  applied, bound by {}", decision.applied, decision.bound_by));
    }
}

fn limits(page: &mut Page, report: &Report) {
    let said = report.limits.iter().map(|limit| {
        let bound = if limit.binds { " ← binds" } else { "" };
        let said = limit.detail.split(' ').any(|word| word == limit.workers.to_string());
        let in_workers = if said { String::new() } else { format!(", now {}", plural(limit.workers, "worker")) };
        format!("{}{in_workers}{bound}", limit.detail)
    });
    let said = list(said, " · ");
    if !said.is_empty() {
        page.row("LIMITS", &said);
    }
}

fn what_if(page: &mut Page, report: &Report) {
    if report.law.is_some() && report.what_if.is_empty() {
        page.row("IF", "neither half nor twice scaling.startWithin would change the number now");
    }
    for (number, tried) in report.what_if.iter().enumerate() {
        let label = if number == 0 { "IF" } else { "" };
        let number = if tried.wanted == tried.granted && tried.granted == tried.applied {
            tried.applied.to_string()
        } else {
            format!("wanted {}, granted {}, applied {}", tried.wanted, tried.granted, tried.applied)
        };
        page.row(label, &format!("with {} {}: {number} ({})", tried.setting, tried.value, tried.bound_by));
    }
}

fn who_goes(page: &mut Page, workers: &Workers) {
    let total = workers.list.len() as u32 + workers.omitted;
    let coming = match workers.absent {
        0 => String::new(),
        absent => format!(", {absent} more asked for and not there yet"),
    };
    page.row("WORKERS", &format!("{total} here{coming}; {} slots take tasks", number(workers.slots)));
    for (verdict, words) in [
        ("Leaving", "leaving"),
        ("MayGo", "may go"),
        ("Finishes", "should go, but"),
        ("Resumes", "resumes"),
        ("Stays", "stays"),
    ] {
        let of_verdict: Vec<&Worker> = workers.list.iter().filter(|worker| worker.verdict == verdict).collect();
        for (why, names) in by_reason(&of_verdict) {
            let more = names.len().saturating_sub(NAMED);
            let named = names[..names.len() - more].join(", ");
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            page.row("", &format!("{words} – {why}: {named}{more}"));
        }
    }
    if workers.omitted > 0 {
        page.row("", &format!("and {} more, which would go after these", workers.omitted));
    }
}

/// Workers of one reason together, in the order of the first of each.
fn by_reason<'a>(workers: &[&'a Worker]) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for worker in workers {
        match groups.iter_mut().find(|(why, _)| *why == worker.why) {
            Some((_, names)) => names.push(&worker.name),
            None => groups.push((&worker.why, vec![&worker.name])),
        }
    }
    groups
}

fn sizes(page: &mut Page, report: &Report) {
    if !report.sizes.is_empty() {
        page.row("SIZE", "other workers, against today's (modelled on public traces, see docs/explain.md):");
    }
    for size in &report.sizes {
        let (what, limit) = match size.memory {
            Some(bytes) => ("memory-hours", format!(" (limit {})", quantity::format(bytes))),
            None => ("slot-hours", String::new()),
        };
        let (bursts, steady) = (percent(size.bursts), percent(size.steady));
        page.row(
            "",
            &format!("of {}{limit}: {what} {bursts} in bursts, {steady} if steady", plural(size.prefetch, "task")),
        );
    }
}

fn problems(page: &mut Page, report: &Report) {
    let told = report.reading.as_ref().and_then(|reading| reading.unknown.as_ref());
    let new = |problem: &&Problem| {
        told.is_none_or(|told| told.reason != problem.reason) && !report.summary.contains(&problem.message)
    };
    for problem in report.problems.iter().filter(new) {
        page.warning("NOTE", &format!("{}: {}", problem.reason, problem.message));
    }
}
