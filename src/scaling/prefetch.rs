//! Tasks one worker may hold at once, from its memory.

use super::settings::{Prefetch, Settings};

/// The number rises only if it would still fit with this much more memory per task, or an estimate
/// near a whole number would change it back and forth.
const RISE_MARGIN: f64 = 1.1;

/// P, and what is wrong with the limit it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// At least 1.
    pub tasks: u32,
    /// The container has no memory limit to derive it from.
    pub limit_missing: bool,
    /// The limit is too small for one task; bytes that would do.
    pub needed: Option<u64>,
}

/// `P = floor((limit·(1 − headroom) − base) / q)`, clamped; `before` is the number in use.
///
/// 2 GiB with the defaults gives 4. A pool's `maxConcurrency` bounds it, or one worker would exceed
/// it alone; a fixed number is what workers hold, whatever anybody wishes.
pub fn prefetch(settings: &Settings, task_memory: u64, before: Option<u32>) -> Holding {
    let most = settings.max_concurrency.unwrap_or(u32::MAX).max(1);
    let (min, max, base, headroom) = match settings.prefetch {
        Prefetch::Fixed(tasks) => {
            return Holding { tasks: tasks.max(1), limit_missing: false, needed: None };
        }
        Prefetch::Auto { min, max, base_memory, headroom_percent, .. } => {
            (min.max(1), max.max(min).max(1), base_memory as f64, f64::from(headroom_percent.min(99)) / 100.0)
        }
    };
    let Some(limit) = settings.container_memory else {
        return Holding { tasks: min.min(most), limit_missing: true, needed: None };
    };
    let usable = limit as f64 * (1.0 - headroom) - base;
    let q = (task_memory as f64).max(1.0);
    let fitting = |q: f64| (usable / q).floor().clamp(f64::from(min), f64::from(max)) as u32;
    let now = fitting(q);
    let tasks = match before {
        Some(before) if now > before => fitting(q * RISE_MARGIN).max(before),
        _ => now,
    };
    let needed = (usable < q).then(|| ((base + q) / (1.0 - headroom)).ceil() as u64);
    Holding { tasks: tasks.clamp(1, most), limit_missing: false, needed }
}
