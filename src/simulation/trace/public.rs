//! Loads made of public traces: real arrivals, stretched, with the durations of real agent runs.

use super::csv::CsvError;
use super::{Task, Trace, millis};

/// Arrivals are spread to this many times their real distance.
pub const STRETCH: f64 = 20.0;
/// Task i lasts as long as run `STRIDE · i`: a prime, so that neighbours are not of one session.
pub const STRIDE: usize = 7919;

/// The file with the durations.
pub const RUNS: &str = "agent_runs.csv";

/// A named set: which arrivals, how far apart, which durations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Set {
    pub name: &'static str,
    /// The file with the arrivals.
    pub arrivals: &'static str,
    pub stretch: f64,
    pub stride: usize,
}

/// A': bursty arrivals (requests of a coding assistant).
pub const BURSTY: Set = Set { name: "A'", arrivals: "azure_code.csv", stretch: STRETCH, stride: STRIDE };
/// A'': steady arrivals (requests of a chat assistant).
pub const STEADY: Set = Set { name: "A''", arrivals: "azure_conv.csv", ..BURSTY };

impl Set {
    /// By what people call it: `A1` or `A'`, `A2` or `A''`.
    pub fn named(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "A1" | "A'" => Some(BURSTY),
            "A2" | "A''" => Some(STEADY),
            _ => None,
        }
    }

    /// Task i arrives at `stretch · (t_i − t_0)` and lasts `max(1 s, duration of run stride·i)`. `arrivals` and
    /// `runs` are the texts of the two files.
    pub fn trace(&self, arrivals: &str, runs: &str) -> Result<Trace, CsvError> {
        let times = column(arrivals, second_of_day)?;
        let durations = column(runs, |text| text.parse().ok())?;
        let (Some(first), false) = (times.first(), durations.is_empty()) else {
            return Err(CsvError { line: 1, what: "no rows below the header".to_owned() });
        };
        let task = |(index, time): (usize, &f64)| Task {
            arrives: millis((time - first) * self.stretch),
            lasts: millis(durations[(self.stride * index) % durations.len()].max(1.0)),
        };
        let name = format!("{} ({} × {}, {} × {RUNS})", self.name, self.arrivals, self.stretch, self.stride);
        Ok(Trace::new(name, times.iter().enumerate().map(task).collect()))
    }
}

/// The first column of every row below the header.
fn column(text: &str, read: impl Fn(&str) -> Option<f64>) -> Result<Vec<f64>, CsvError> {
    let rows = text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty());
    let number = |(index, line): (usize, &str)| {
        let text = line.split(',').next().unwrap_or_default();
        read(text).ok_or_else(|| CsvError { line: index + 1, what: format!("the first column is {text:?}") })
    };
    rows.map(number).collect()
}

/// `2023-11-16 18:17:03.9799600` → 65823.97996
fn second_of_day(timestamp: &str) -> Option<f64> {
    let parts: Option<Vec<f64>> = timestamp.split(' ').nth(1)?.split(':').map(|part| part.parse().ok()).collect();
    Some(parts?.into_iter().fold(0.0, |sum, part| sum * 60.0 + part))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARRIVALS: &str =
        "TIMESTAMP,ContextTokens\n2023-11-16 18:17:03.5,1\n2023-11-16 18:17:04.75,2\n2023-11-16 18:18:03.5,3\n";
    const RUNS: &str = "duration_s,llm_calls\n83.12,4\n0.5,8\n128.02,3\n";

    #[test]
    fn arrivals_are_stretched_and_durations_taken_by_stride() {
        let trace = STEADY.trace(ARRIVALS, RUNS).unwrap();
        // 7919 mod 3 = 2: runs 0, 2, 1; half a second counts as one.
        let tasks = [(0, 83_120), (25_000, 128_020), (1_200_000, 1_000)];
        assert_eq!(trace.tasks, tasks.map(|(arrives, lasts)| Task { arrives, lasts }));
    }

    #[test]
    fn a_set_goes_by_both_its_names() {
        assert_eq!(Set::named("a1"), Some(BURSTY));
        assert_eq!(Set::named("A''"), Some(STEADY));
        assert_eq!(Set::named("A3"), None);
    }

    #[test]
    fn a_row_that_is_none_is_told_with_its_line() {
        let told = STEADY.trace("TIMESTAMP\n18:17\n", RUNS).unwrap_err();
        assert_eq!(told.to_string(), "line 2: the first column is \"18:17\"");
        assert_eq!(STEADY.trace("TIMESTAMP\n", RUNS).unwrap_err().to_string(), "line 1: no rows below the header");
    }
}
