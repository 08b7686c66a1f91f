//! When which request to the management API is due. Pure; time is an argument.

use super::watch::Wants;
use crate::scaling::time::Timestamp;

/// Seconds between lists while some pool has workers: quorum queues report in ticks of 5 s, and
/// a second look that confirms a zero must come more than that after the first.
const LIST: f64 = 5.2;

/// The same where a watched queue is classic, whose row is never late.
const LIST_CLASSIC: f64 = 2.0;

/// Seconds between any two lists.
const PAUSE: f64 = 1.0;

/// Share of the time that lists may take, however slow the broker is.
const SHARE: f64 = 0.1;

/// Seconds between readings of arguments, policies and bindings.
const SETTINGS: f64 = 300.0;

/// Seconds between looks at the channels: their statistics are collected every 5 s.
const WORKERS: f64 = 5.0;

/// Seconds between looks at the broker's alarms.
const ALARMS: f64 = 15.0;

/// Seconds after which the login's tags are looked at again.
const TAGS: f64 = 300.0;

/// Seconds for which nothing at all may be wanted.
const IDLE: f64 = 60.0;

/// What to ask for now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a set of requests, each asked for or not")]
pub struct Todo {
    pub list: bool,
    /// With arguments and policies.
    pub settings: bool,
    /// Policies and bindings are read again, not taken from memory.
    pub topology: bool,
    pub workers: bool,
    pub alarms: bool,
    pub tags: bool,
}

/// When each was last asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Schedule {
    list: Option<Timestamp>,
    topology: Option<Timestamp>,
    workers: Option<Timestamp>,
    alarms: Option<Timestamp>,
    tags: Option<Timestamp>,
    /// Seconds between lists that this broker's speed allows.
    pause: f64,
}

impl Schedule {
    pub fn todo(&self, wants: Wants, now: Timestamp) -> Todo {
        let is_due = |period: Option<f64>, last| period.is_some_and(|period| due(last, period) <= now);
        let topology = wants.topology || due(self.topology, SETTINGS) <= now;
        let list = is_due(self.list_period(wants), self.list);
        Todo {
            list,
            settings: list && (wants.facts || topology),
            topology: list && topology,
            workers: is_due(wants.by_worker.then_some(WORKERS), self.workers),
            alarms: is_due(wants.in_flight.then_some(ALARMS), self.alarms),
            tags: due(self.tags, TAGS) <= now,
        }
    }

    /// Seconds until something is due.
    pub fn wait(&self, wants: Wants, now: Timestamp) -> f64 {
        let wanted = [
            (self.list_period(wants), self.list),
            (wants.by_worker.then_some(WORKERS), self.workers),
            (wants.in_flight.then_some(ALARMS), self.alarms),
        ];
        let seconds = wanted.into_iter().filter_map(|(period, last)| Some(due(last, period?).since(now).max(0.0)));
        seconds.fold(IDLE, f64::min)
    }

    fn list_period(&self, wants: Wants) -> Option<f64> {
        let period = if wants.facts {
            PAUSE
        } else if wants.classic {
            LIST_CLASSIC
        } else if wants.in_flight || wants.doubt {
            LIST
        } else {
            return None;
        };
        Some(period.max(self.pause))
    }

    /// `todo` was done at `asked`; its list took `seconds`.
    pub fn done(&mut self, todo: Todo, asked: Timestamp, seconds: f64) {
        let note = |last: &mut Option<Timestamp>, done: bool| {
            if done {
                *last = Some(asked);
            }
        };
        note(&mut self.list, todo.list);
        note(&mut self.topology, todo.topology);
        note(&mut self.workers, todo.workers);
        note(&mut self.alarms, todo.alarms);
        note(&mut self.tags, todo.tags);
        if todo.list {
            self.pause = seconds / SHARE;
        }
    }
}

fn due(last: Option<Timestamp>, period: f64) -> Timestamp {
    last.map_or(Timestamp::default(), |last| last.plus(period))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(10_000.0);

    fn after_all(seconds: f64) -> Schedule {
        let mut schedule = Schedule::default();
        let all = Todo { list: true, settings: true, topology: true, workers: true, alarms: true, tags: true };
        schedule.done(all, NOW, seconds);
        schedule
    }

    #[test]
    fn everything_wanted_is_asked_for_at_once() {
        let wants = Wants { in_flight: true, by_worker: true, facts: true, ..Wants::default() };
        let todo = Schedule::default().todo(wants, NOW);
        assert!(todo.list && todo.settings && todo.topology && todo.workers && todo.alarms && todo.tags);
    }

    #[test]
    fn nothing_is_asked_for_when_nothing_is_wanted() {
        let todo = Schedule::default().todo(Wants::default(), NOW);
        assert!(!(todo.list || todo.settings || todo.workers || todo.alarms));
    }

    #[test]
    fn the_period_of_lists_follows_what_is_wanted() {
        let idle = Wants::default();
        for (wants, period) in [
            (Wants { in_flight: true, ..idle }, LIST),
            (Wants { in_flight: true, classic: true, ..idle }, LIST_CLASSIC),
            (Wants { doubt: true, ..idle }, LIST),
            (Wants { facts: true, ..idle }, PAUSE),
        ] {
            let schedule = after_all(0.01);
            assert!(!schedule.todo(wants, NOW.plus(period - 0.01)).list, "{wants:?}");
            assert!(schedule.todo(wants, NOW.plus(period + 0.01)).list, "{wants:?}");
            assert!((schedule.wait(wants, NOW) - period).abs() < 1e-6, "{wants:?}");
        }
    }

    #[test]
    fn a_slow_broker_is_asked_less_often() {
        let wants = Wants { in_flight: true, ..Wants::default() };
        let schedule = after_all(3.0);
        assert!(!schedule.todo(wants, NOW.plus(29.0)).list);
        assert!(schedule.todo(wants, NOW.plus(31.0)).list);
    }

    #[test]
    fn a_new_queue_gets_its_settings_without_reading_the_topology_again() {
        let wants = Wants { facts: true, ..Wants::default() };
        let todo = after_all(0.01).todo(wants, NOW.plus(2.0));
        assert!(todo.settings && !todo.topology);
    }

    #[test]
    fn topology_is_read_again_with_a_later_list() {
        let wants = Wants { in_flight: true, ..Wants::default() };
        let todo = after_all(0.01).todo(wants, NOW.plus(SETTINGS + 1.0));
        assert!(todo.settings && todo.topology);
    }
}
