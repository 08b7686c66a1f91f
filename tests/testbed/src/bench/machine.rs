//! What a figure was measured on: its kind, never its name.

use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub processors: usize,
    pub memory_gib: f64,
    /// Processes that wanted to run, over the last minute, when the benchmark began.
    pub load: f64,
}

/// Above this others were at work, and times and shares of a core say little.
const QUIET: f64 = 0.7;

impl Machine {
    pub fn look() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let second = |text: &str, at: usize| text.split_whitespace().nth(at).and_then(|word| word.parse::<f64>().ok());
        let kibibytes = second(&read("/proc/meminfo"), 1).unwrap_or(0.0);
        Self {
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: (kibibytes / 1024.0 / 1024.0 * 10.0).round() / 10.0,
            load: second(&read("/proc/loadavg"), 0).unwrap_or(0.0),
        }
    }

    pub fn describe(&self) -> String {
        let busy = if self.load > QUIET { ": it was not quiet, so trust no time and no share of a core" } else { "" };
        let Self { processors, memory_gib, load } = self;
        format!("{processors} processors, {memory_gib} GiB, load {load:.2} at the start{busy}")
    }
}
