//! Part `decide`: one decision on one pool. `cargo bench -p awp-law` has measured its time; here its instructions are
//! counted, which are the same on any machine and under any load.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use super::figures::{Figures, Row};
use super::say;

/// As in `benches/law`.
const QUEUED: [u32; 3] = [10, 1_000, 100_000];
const WORKERS: [u32; 4] = [0, 3, 12, 100];

/// Decisions whose instructions are counted, and those before them.
const COUNTED: u64 = 100;
const BEFORE: u64 = 10;

#[derive(Debug, Serialize)]
struct Case {
    queued: u32,
    workers: u32,
    /// Mean and its 95 % confidence interval.
    nanoseconds: f64,
    nanoseconds_between: (f64, f64),
    /// `None` where valgrind is not installed.
    instructions: Option<u64>,
}

/// What `cargo bench` and `cargo build --release` left in `target`.
pub fn measure(target: &Path) -> Result<Figures> {
    say("decide: counting instructions");
    let mut cases = Vec::new();
    for queued in QUEUED {
        for workers in WORKERS {
            cases.push(case(target, queued, workers)?);
        }
    }
    let mut figures = Figures::new("decide", &cases)?;
    for case in &cases {
        let (low, high) = case.nanoseconds_between;
        let counted = case.instructions.map_or_else(String::new, |count| format!(", {count} instructions"));
        let measured = format!("{:.2} µs ({:.2}–{:.2}){counted}", case.nanoseconds / 1e3, low / 1e3, high / 1e3);
        let aim = if case.queued == 10 && case.workers == 3 { "≤ 2 µs" } else { "" };
        figures.rows.push(Row::new(format!("{} queued, {} workers", case.queued, case.workers), measured, aim));
    }
    Ok(figures)
}

fn case(target: &Path, queued: u32, workers: u32) -> Result<Case> {
    let path = target.join(format!("criterion/decide/{queued} queued/{workers} workers/new/estimates.json"));
    let text =
        std::fs::read(&path).with_context(|| format!("{} is missing: run `cargo bench -p awp-law`", path.display()))?;
    let estimates: Value = serde_json::from_slice(&text)?;
    let number =
        |pointer: &str| estimates.pointer(pointer).and_then(Value::as_f64).context("an unknown form of criterion's");
    let between = "/mean/confidence_interval";
    Ok(Case {
        queued,
        workers,
        nanoseconds: number("/mean/point_estimate")?,
        nanoseconds_between: (number(&format!("{between}/lower_bound"))?, number(&format!("{between}/upper_bound"))?),
        instructions: instructions(&target.join("release/decide-rounds"), queued, workers),
    })
}

fn instructions(program: &Path, queued: u32, workers: u32) -> Option<u64> {
    let count = |decisions: u64| {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
        let numbers = [queued.into(), workers.into(), BEFORE + COUNTED, decisions];
        let answer = valgrind.args(numbers.map(|number| number.to_string())).stdin(Stdio::null()).output().ok()?;
        let words = String::from_utf8_lossy(&answer.stderr).into_owned();
        words.split("Collected :").nth(1)?.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some((count(BEFORE + COUNTED)? - count(BEFORE)?) / COUNTED)
}
