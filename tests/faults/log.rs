//! What happened, line by line: shown where a schedule fails, compared where it is replayed.

/// Lines are made only where somebody will read them.
#[derive(Debug, Default)]
pub struct Log {
    pub keep: bool,
    pub lines: Vec<String>,
}

impl Log {
    pub fn new(keep: bool) -> Self {
        Self { keep, ..Self::default() }
    }

    pub fn add(&mut self, at: u64, line: &str) {
        self.lines.push(format!("{:>9.3}  {line}", at as f64 / 1000.0));
    }
}
