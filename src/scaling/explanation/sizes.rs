//! What smaller or larger workers would cost.

use crate::scaling::decision::Decision;
use crate::scaling::settings::{Prefetch, Settings};

/// Slot-seconds paid for each slot-second of work, by prefetch: start-deadline law, start-up and
/// window 20 s, startWithin 60 s, tasks of two minutes. Computed over two public traces of a
/// language model service (`awp simulate` reproduces the worker-hours they come from): one that
/// arrives in bursts, one that arrives steadily. A worker stays for its last task, so the more
/// tasks it holds, the more of its slots idle meanwhile.
const PAID: [(f64, f64, f64); 4] = [(1.0, 1.11, 1.04), (2.0, 1.25, 1.06), (4.0, 1.47, 1.12), (8.0, 1.75, 1.20)];

/// Workers of another size, against those there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    pub prefetch: u32,
    /// Memory of the deciding container that such a worker needs, bytes; `None` with a fixed prefetch.
    pub memory: Option<u64>,
    /// Memory-hours (slot-hours with a fixed prefetch) against today's, 1 = the same: for a load in
    /// bursts and for a steady one.
    pub bursts: f64,
    pub steady: f64,
}

/// Half and twice the prefetch, as far as the table reaches.
pub(super) fn of(settings: &Settings, decision: &Decision) -> Vec<Size> {
    let now = decision.prefetch;
    let sizes = [now / 2, now.saturating_mul(2)];
    sizes
        .into_iter()
        .filter(|prefetch| (1..=8).contains(prefetch) && now <= 8)
        .map(|p| size(settings, decision, p))
        .collect()
}

fn size(settings: &Settings, decision: &Decision, prefetch: u32) -> Size {
    let now = decision.prefetch;
    let memory = |prefetch: u32| match settings.prefetch {
        Prefetch::Fixed(_) => None,
        Prefetch::Auto { base_memory, headroom_percent, .. } => {
            let needed = base_memory as f64 + f64::from(prefetch) * decision.estimates.task_memory as f64;
            Some(needed / (1.0 - f64::from(headroom_percent.min(99)) / 100.0))
        }
    };
    // Memory of one slot in a worker of either size.
    let per_slot = |prefetch: u32| memory(prefetch).map_or(1.0, |bytes| bytes / f64::from(prefetch));
    let dearer = per_slot(prefetch) / per_slot(now);
    let (bursts, steady) = paid(prefetch);
    let (bursts_now, steady_now) = paid(now);
    Size {
        prefetch,
        memory: memory(prefetch).map(|bytes| bytes.ceil() as u64),
        bursts: bursts / bursts_now * dearer,
        steady: steady / steady_now * dearer,
    }
}

/// The table, between its rows on the logarithm of prefetch.
fn paid(prefetch: u32) -> (f64, f64) {
    let at = f64::from(prefetch).clamp(1.0, 8.0);
    let above = PAID.iter().position(|row| row.0 >= at).unwrap_or(PAID.len() - 1).max(1);
    let ((from, bursts, steady), (to, bursts_to, steady_to)) = (PAID[above - 1], PAID[above]);
    let part = (at / from).log2() / (to / from).log2();
    (bursts + part * (bursts_to - bursts), steady + part * (steady_to - steady))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_met_at_its_rows_and_rises_between_them() {
        for (prefetch, bursts, steady) in PAID {
            let (found_bursts, found_steady) = paid(prefetch as u32);
            assert!((found_bursts - bursts).abs() < 1e-9 && (found_steady - steady).abs() < 1e-9, "{prefetch}");
        }
        let (three, _) = paid(3);
        assert!(three > 1.25 && three < 1.47, "{three}");
    }
}
