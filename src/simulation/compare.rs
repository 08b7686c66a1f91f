//! The same load under the law, under what others do, and under one who knows the future.

use super::cluster::{Conditions, Dispatch};
use super::outcome::{Outcome, Summary};
use super::policy::Policy;
use super::policy::foresight::{Foresight, Known};
use super::policy::law::{Law, Manner, Sight};
use super::policy::shapes::{Formula, Shape, Stop};
use super::run::run;
use super::trace::{Millis, Trace, millis};
use crate::scaling::settings::Settings;

/// HPA's sync period, and KEDA's usual polling.
const HPA_INTERVAL: Millis = 15_000;
/// HPA's `stabilizationWindowSeconds` for scaling down.
const HPA_WINDOW: Millis = 300_000;
/// `terminationGracePeriodSeconds` where nobody sets it.
const GRACE: Millis = 30_000;
/// Whom a kill meets is chance: so many runs make a mean.
const RUNS: u64 = 10;
/// `queueLength` of KEDA's own RabbitMQ example.
const MESSAGES_PER_POD: f64 = 20.0;
/// The usual target of utilisation.
const UTILISATION: f64 = 0.7;

/// A pool and where it runs. Seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    pub settings: Settings,
    /// Start-up takes from .. to.
    pub startup: (f64, f64),
    /// T
    pub interval: f64,
    pub dispatch: Dispatch,
    pub sight: Sight,
    /// Start-up time and durations have to be learned first.
    pub new: bool,
    pub seed: u64,
}

impl Pool {
    /// How many tasks one worker holds.
    pub fn slots(&self) -> u32 {
        law(self).slots()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    Law,
    /// (ready + unacked) / P, stopped by SIGTERM and, after 30 s, SIGKILL.
    Killing,
    /// The same, but workers drain.
    Draining,
    /// (ready + unacked) / 20, stopped by SIGTERM.
    MessagesPerPod,
    /// λ · S / (P · 0.7), stopped by SIGTERM.
    RateByUtilisation,
    Foresight,
}

impl Contender {
    pub const ALL: [Self; 6] =
        [Self::Law, Self::Killing, Self::Draining, Self::MessagesPerPod, Self::RateByUtilisation, Self::Foresight];

    /// Short, for tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Law => "awp",
            Self::Killing => "keda",
            Self::Draining => "keda-draining",
            Self::MessagesPerPod => "messages-per-pod",
            Self::RateByUtilisation => "rate-by-utilisation",
            Self::Foresight => "foresight",
        }
    }

    /// What it does, in a line.
    pub fn what(self) -> &'static str {
        match self {
            Self::Law => "the law of the cluster: start within D",
            Self::Killing => "(ready+unacked)/P every 15 s, window 300 s, SIGTERM, SIGKILL after 30 s: KEDA and HPA",
            Self::Draining => "the same, but workers drain",
            Self::MessagesPerPod => "(ready+unacked)/20, the rest as keda",
            Self::RateByUtilisation => "arrivals of 2 min × mean duration ÷ 70 % of the slots, the rest as keda",
            Self::Foresight => "the same promise by one who knows every duration: what better forecasts could save",
        }
    }

    /// The run and what it comes to. Where chance has a part, the figures are the mean of ten runs and the run is
    /// the first.
    pub fn run(self, trace: &Trace, pool: &Pool) -> (Outcome, Summary) {
        let once = |seed: u64| {
            let mut policy = self.policy(trace, pool, seed);
            let conditions = self.conditions(pool);
            let outcome = run(trace, conditions, self.interval(pool), policy.as_mut());
            let summary = outcome.summary(trace, policy.slots(), pool.settings.start_within);
            (outcome, summary)
        };
        let (outcome, first) = once(pool.seed);
        if !self.kills() {
            return (outcome, first);
        }
        let others = (1..RUNS).map(|more| once(pool.seed + more).1);
        let all: Vec<Summary> = std::iter::once(first).chain(others).collect();
        (outcome, Summary::mean(&all))
    }

    fn kills(self) -> bool {
        matches!(self, Self::Killing | Self::MessagesPerPod | Self::RateByUtilisation)
    }

    /// Brokers give tasks to the least busy worker; only workers of ours choose, and only foresight can choose well.
    fn dispatch(self, pool: &Pool) -> Dispatch {
        match self {
            Self::Law => pool.dispatch,
            Self::Foresight => Dispatch::Foreseen,
            Self::Killing | Self::Draining | Self::MessagesPerPod | Self::RateByUtilisation => Dispatch::LeastBusy,
        }
    }

    fn conditions(self, pool: &Pool) -> Conditions {
        Conditions {
            slots: 1,
            startup: (millis(pool.startup.0), millis(pool.startup.1)),
            dispatch: self.dispatch(pool),
            grace: self.grace(pool),
            seed: pool.seed,
        }
    }

    /// The operator gives a worker a minute more than the longest drain.
    fn grace(self, pool: &Pool) -> Millis {
        if self.kills() { GRACE } else { millis(pool.settings.drain_timeout + 60.0) }
    }

    fn interval(self, pool: &Pool) -> Millis {
        match self {
            Self::Law | Self::Foresight => millis(pool.interval),
            Self::Killing | Self::Draining | Self::MessagesPerPod | Self::RateByUtilisation => HPA_INTERVAL,
        }
    }

    fn policy(self, trace: &Trace, pool: &Pool, seed: u64) -> Box<dyn Policy> {
        let slots = pool.slots();
        let bounds = (pool.settings.min_replicas, pool.settings.max_replicas);
        let shape = |formula, stop| Box::new(Shape::new(formula, stop, slots, bounds, HPA_WINDOW));
        let by_slots = Formula::Messages { per_pod: f64::from(slots) };
        let kill = Stop::Kill { seed };
        match self {
            Self::Law => Box::new(law(pool)),
            Self::Killing => shape(by_slots, kill),
            Self::Draining => shape(by_slots, Stop::Drain),
            Self::MessagesPerPod => shape(Formula::Messages { per_pod: MESSAGES_PER_POD }, kill),
            Self::RateByUtilisation => {
                let task_duration = trace.mean_duration();
                shape(Formula::Rate { utilisation: UTILISATION, task_duration }, kill)
            }
            Self::Foresight => Box::new(Foresight::new(known(pool, slots))),
        }
    }
}

fn law(pool: &Pool) -> Law {
    let manner = Manner { sight: pool.sight, ..Manner::default() };
    Law::new(pool.settings.clone(), manner, (!pool.new).then_some(pool.startup.1))
}

fn known(pool: &Pool, slots: u32) -> Known {
    let settings = &pool.settings;
    let by_memory = settings.max_memory.zip(settings.worker_memory.filter(|each| *each > 0));
    let by_memory = by_memory.map_or(u32::MAX, |(most, each)| u32::try_from(most / each).unwrap_or(u32::MAX));
    let by_concurrency = settings.max_concurrency.map_or(u32::MAX, |most| (most / slots.max(1)).max(1));
    Known {
        slots,
        least: settings.min_replicas,
        most: settings.max_replicas.min(by_memory).min(by_concurrency),
        startup: millis(pool.startup.1),
        start_within: millis(settings.start_within),
        interval: millis(pool.interval),
        window: millis(settings.scale_down_window.unwrap_or(pool.startup.1)),
    }
}
