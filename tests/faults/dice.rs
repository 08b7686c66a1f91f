//! Chance from a seed: the same seed gives the same numbers on every machine.

use std::cell::Cell;

/// SplitMix64 (Steele, Lea, Flood 2014): small, and good enough to draw faults.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// In 0..1.
    pub fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// In `from..=to`.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from + 1)
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.between(0, all.len() as u64 - 1) as usize]
    }

    /// Dice of their own for one part, so that what another part draws changes nothing here.
    pub fn split(&mut self) -> Self {
        Self(self.next())
    }
}

thread_local! {
    static JITTER: Cell<u64> = const { Cell::new(0) };
}

/// Begins the controller's own chance anew. One schedule runs on one thread.
pub fn seed_jitter(seed: u64) {
    JITTER.set(seed);
}

/// What the controller takes for randomness.
pub fn jitter() -> f64 {
    let mut dice = Dice(JITTER.get());
    let share = dice.share();
    JITTER.set(dice.0);
    share
}
