//! What may be believed of one queue: looks in, a reading out. Pure; time is an argument.
//!
//! SQS's counts are approximate and come from one of many servers: for about a minute after traffic
//! changes they may be those of before. So:
//!
//! * what is there is believed at once if it is much, and after a second look if it is little and
//!   nothing was there before: a leftover of one server must not wake a pool for nothing;
//! * nothing at all is reported, but as *unsettled*, until looks have said so for [`PROOF`] without a
//!   break: the law keeps one worker until then, and that one takes whatever was hidden.
//!
//! Waiting tasks are the *visible* messages. Delayed ones can be taken by nobody yet, and are counted
//! when their delay ends; until then they keep nothing from being proved.

#[cfg(test)]
mod tests;

use crate::scaling::observation::{Counted, ErrorClass, QueueCounts, QueueReading, Unknown};
use crate::scaling::time::Timestamp;

/// Seconds of looks that find nothing after which a queue is empty. Amazon says of its counts that
/// they are consistent at the earliest a minute after producers stop.
pub const PROOF: f64 = 75.0;

/// Looks that this takes at least, however far apart they are.
const PROOF_LOOKS: u32 = 4;

/// So many messages are no leftover: they are believed at once.
pub const MANY: u64 = 10;

/// Seconds that the last good look outlives a failure that passes by itself; its age is seen all the
/// while, and an idle queue is looked at every 20 s only.
const OUTAGE_GRACE: f64 = 30.0;

/// One answer of `GetQueueAttributes`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Look {
    pub visible: u64,
    /// Given to somebody and not deleted yet: *not visible*.
    pub in_flight: u64,
    pub delayed: u64,
    /// When it was asked for.
    pub at: Timestamp,
}

impl Look {
    fn is_empty(&self) -> bool {
        self.visible == 0 && self.in_flight == 0 && self.delayed == 0
    }

    /// What a pool would wake for.
    fn work(&self) -> u64 {
        self.visible.saturating_add(self.in_flight)
    }
}

/// Everything seen of one queue that still matters.
#[derive(Clone, Debug, Default)]
pub struct Belief {
    /// The last look that is believed.
    last: Option<Look>,
    /// A little, where nothing was before: a second look decides.
    doubted: bool,
    /// First and number of an unbroken run of looks that found nothing.
    empty_since: Option<Timestamp>,
    empty_looks: u32,
    /// When the last look was asked for, and how long after the one before.
    asked: Option<Timestamp>,
    interval: Option<f64>,
    failure: Option<Unknown>,
    fifo: bool,
}

impl Belief {
    pub fn new(fifo: bool) -> Self {
        Self { fifo, ..Self::default() }
    }

    pub fn looked(&mut self, look: Look) {
        self.failure = None;
        self.interval = self.asked.map(|asked| look.at.since(asked));
        self.asked = Some(look.at);
        if look.is_empty() {
            self.empty_since.get_or_insert(look.at);
            self.empty_looks += 1;
        } else {
            self.empty_since = None;
            self.empty_looks = 0;
        }
        let nothing_before = self.last.is_none_or(|last| last.work() == 0);
        let doubtful = nothing_before && !self.doubted && (1..MANY).contains(&look.work());
        self.doubted = doubtful;
        if !doubtful {
            self.last = Some(look);
        }
    }

    pub fn failed(&mut self, why: Unknown) {
        self.failure = Some(why);
        // A run of looks that was broken proves nothing.
        self.empty_since = None;
        self.empty_looks = 0;
    }

    pub fn failure(&self) -> Option<&Unknown> {
        self.failure.as_ref()
    }

    /// Seconds between the last two looks.
    pub fn interval(&self) -> Option<f64> {
        self.interval
    }

    /// A second look decides, and soon.
    pub fn is_doubted(&self) -> bool {
        self.doubted
    }

    /// The queue holds nothing, as long as looks have said so.
    pub fn is_proved_empty(&self) -> bool {
        let Some((since, last)) = self.empty_since.zip(self.last) else { return false };
        self.empty_looks >= PROOF_LOOKS && last.at.since(since) >= PROOF
    }

    /// The last look found nothing.
    pub fn looks_empty(&self) -> bool {
        self.last.is_some_and(|last| last.is_empty()) && !self.doubted
    }

    /// The reading as of `now`, without dead letters, which lie in another queue. `None` until a first
    /// look ended.
    pub fn reading(&self, now: Timestamp) -> Option<QueueReading> {
        if let Some(failure) = &self.failure {
            let kept =
                self.last.filter(|last| failure.class == ErrorClass::Transient && now.since(last.at) <= OUTAGE_GRACE);
            return Some(kept.map_or_else(|| QueueReading::Unknown(failure.clone()), |last| self.known(last)));
        }
        self.last.map(|last| self.known(last))
    }

    fn known(&self, look: Look) -> QueueReading {
        QueueReading::Known(QueueCounts {
            ready: look.visible,
            at: look.at,
            unacked: Some(Counted { count: look.in_flight, at: look.at }),
            unsettled: look.work() == 0 && !self.is_proved_empty(),
            message_groups: self.fifo,
            ..QueueCounts::default()
        })
    }

    /// What is compared to see whether anything changed: the reading without its times.
    pub fn outline(&self, now: Timestamp) -> Option<QueueReading> {
        let mut reading = self.reading(now);
        if let Some(QueueReading::Known(counts)) = &mut reading {
            counts.at = Timestamp::default();
            counts.unacked = counts.unacked.map(|counted| Counted { at: Timestamp::default(), ..counted });
        }
        reading
    }
}
