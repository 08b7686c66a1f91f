//! Random phases, so that bursts do not fall into step with the operator's polling.

use std::time::Duration;

use anyhow::Result;

/// xorshift64*: enough to choose moments.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn from_system() -> Result<Self> {
        let mut seed = [0; 8];
        std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut seed)?;
        Ok(Self(u64::from_le_bytes(seed) | 1))
    }

    /// In 0..1.
    pub fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn moment(&mut self, within: Duration) -> Duration {
        within.mul_f64(self.next())
    }

    /// `count` different numbers below `below`.
    pub fn choose(&mut self, count: usize, below: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..below).collect();
        for at in 0..count.min(below) {
            let other = at + (self.next() * (below - at) as f64) as usize;
            all.swap(at, other);
        }
        all.truncate(count);
        all
    }
}
