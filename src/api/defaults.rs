//! What absence means. The descriptions of the fields state these values (a test compares them),
//! and the rules that compare two fields fill them in.

pub const MIN_REPLICAS: u32 = 0;
pub const MAX_REPLICAS: u32 = 100;
pub const START_WITHIN: &str = "60s";
pub const TASK_DURATION: &str = "60s";
pub const WARM_SLOTS: u32 = 0;
pub const DRAIN_TIMEOUT: &str = "30m";

pub const PREFETCH_MIN: u32 = 1;
pub const PREFETCH_MAX: u32 = 16;
pub const BASE_MEMORY: &str = "256Mi";
pub const TASK_MEMORY: &str = "300Mi";
pub const HEADROOM_PERCENT: u32 = 20;

/// Seconds that a pod gets beyond `drain.timeout` to end after its last task.
pub const GRACE_BEYOND_DRAIN: u32 = 60;

/// The most that any count of workers may be: beyond it a typo is likelier than a wish.
pub const REPLICAS_LIMIT: u32 = 10_000;
/// The most tasks one worker may hold.
pub const PREFETCH_LIMIT: u32 = 1000;
