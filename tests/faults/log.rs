//! What happened, line by line: shown where a schedule fails, compared where it is replayed.

/// Lines are kept only where somebody will read them; a sum of them always.
#[derive(Debug, Default)]
pub struct Log {
    keep: bool,
    pub lines: Vec<String>,
    sum: u64,
}

impl Log {
    pub fn new(keep: bool) -> Self {
        Self { keep, ..Self::default() }
    }

    pub fn add(&mut self, at: u64, line: &str) {
        for byte in at.to_le_bytes().iter().chain(line.as_bytes()) {
            // FNV-1a.
            self.sum = (self.sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.keep {
            self.lines.push(format!("{:>9.3}  {line}", at as f64 / 1000.0));
        }
    }

    pub fn sum(&self) -> u64 {
        self.sum
    }
}
