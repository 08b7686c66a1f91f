//! Loads: when tasks arrive, and how long each works.

pub mod csv;
pub mod public;
pub mod synthetic;

/// Milliseconds since the load began: whole ones, so that events of one instant are equal.
pub type Millis = u64;

/// Seconds as the milliseconds of the model.
pub fn millis(seconds: f64) -> Millis {
    (seconds * 1000.0).round().max(0.0) as Millis
}

/// Milliseconds as seconds.
pub fn seconds(millis: Millis) -> f64 {
    millis as f64 / 1000.0
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    pub arrives: Millis,
    pub lasts: Millis,
}

/// Tasks in the order of their arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// What it is, for people.
    pub name: String,
    pub tasks: Vec<Task>,
}

impl Trace {
    /// Tasks that arrive together keep the order in which they are given.
    pub fn new(name: impl Into<String>, mut tasks: Vec<Task>) -> Self {
        tasks.sort_by_key(|task| task.arrives);
        Self { name: name.into(), tasks }
    }

    /// Milliseconds until the last arrival.
    pub fn length(&self) -> Millis {
        self.tasks.last().map_or(0, |task| task.arrives)
    }

    /// Milliseconds of work, all tasks together.
    pub fn work(&self) -> Millis {
        self.tasks.iter().map(|task| task.lasts).sum()
    }

    /// S, seconds.
    pub fn mean_duration(&self) -> f64 {
        seconds(self.work()) / self.tasks.len().max(1) as f64
    }

    /// Worker-hours if every slot of every worker were full all the time: no policy can go below.
    pub fn packed_worker_hours(&self, slots: u32) -> f64 {
        seconds(self.work()) / 3600.0 / f64::from(slots.max(1))
    }
}
