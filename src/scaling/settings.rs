//! What the user asked for, with defaults filled in.

/// One pool's settings as the law needs them. Seconds and bytes, no optional where a default exists.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub mode: Mode,
    /// Manual hold: this many replicas whatever the law says.
    pub hold_replicas: Option<u32>,
    pub min_replicas: u32,
    pub max_replicas: u32,
    /// Tasks in flight, whole pool; `None` = unlimited.
    pub max_concurrency: Option<u32>,
    /// Bytes, sum of the pods' memory limits; `None` = unlimited.
    pub max_memory: Option<u64>,
    /// D: a task starts within this many seconds.
    pub start_within: f64,
    /// First guess of S, the mean task duration, seconds.
    pub task_duration: f64,
    pub warm_slots: u32,
    /// Seconds; `None` = the learned start-up time, at least 10 s.
    pub scale_down_window: Option<f64>,
    pub fallback: Option<Fallback>,
    pub prefetch: Prefetch,
    /// Memory limit of the container that decides prefetch, bytes; `None` = it has none.
    pub container_memory: Option<u64>,
    /// Sum of the memory limits of a whole pod, bytes; `None` = not all containers have one.
    pub worker_memory: Option<u64>,
    /// Where a worker's load can be seen besides the broker: it has a status endpoint.
    pub reports: bool,
    /// Seconds after which a still busy worker that should go is mentioned.
    pub drain_timeout: f64,
    /// How a busy worker is stopped.
    pub drain: DrainSupport,
}

/// What workers understand of draining.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DrainSupport {
    /// Nothing: only workers seen idle go, a busy one stays and keeps taking tasks.
    #[default]
    IdleOnly,
    /// `POST /drain` and `POST /resume`: a worker that should go takes no more tasks, and goes when
    /// it says that it is drained. Workers that never reported are treated as under `IdleOnly`.
    Protocol,
    /// Nothing tells what a worker holds (SQS without a status endpoint), and a worker that gets SIGTERM
    /// takes no more tasks, finishes those it has, and ends: replicas fall by one busy worker at a time,
    /// and the pod's grace period is its drain.
    Sigterm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Auto,
    /// Decides and says so, never changes replicas.
    Recommend,
    /// Writes nothing but the pool's status.
    Paused,
}

/// After `after` seconds of Unknown, run at least `replicas`: only ever raises.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fallback {
    pub after: f64,
    pub replicas: u32,
}

/// Tasks one worker holds at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Prefetch {
    Fixed(u32),
    /// From memory: `floor((limit·(1 − headroom) − base) / task)`, clamped to `min..=max`.
    Auto {
        min: u32,
        max: u32,
        base_memory: u64,
        task_memory: u64,
        headroom_percent: u32,
    },
}
