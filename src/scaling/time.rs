//! Points in time as the law sees them.

/// Seconds since the Unix epoch.
///
/// The operator derives it from one wall-clock reading at start plus a monotonic clock, so that a
/// step of the wall clock neither ages nor rejuvenates a task; the simulation uses virtual time.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Timestamp(pub f64);

impl Timestamp {
    /// Seconds from `earlier` to here; negative if `earlier` is later.
    pub fn since(self, earlier: Self) -> f64 {
        self.0 - earlier.0
    }

    #[must_use]
    pub fn plus(self, seconds: f64) -> Self {
        Self(self.0 + seconds)
    }
}
