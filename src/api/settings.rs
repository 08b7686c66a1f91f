//! The numbers of a spec with defaults filled in, as the law takes them.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::defaults;
use super::invalid::Invalid;
use super::spec::{self, AgentWorkerPoolSpec};
use super::{duration, quantity};
use crate::scaling::settings::{DrainSupport, Fallback, Mode, Prefetch, Settings};

const WEEK: f64 = 168.0 * 3600.0;

impl AgentWorkerPoolSpec {
    /// Settings of the law. The two memory limits, bytes, are facts of the pod template:
    /// `container_memory` of the container that decides prefetch, `worker_memory` of the whole pod;
    /// `None` where there is none.
    pub fn settings(&self, container_memory: Option<u64>, worker_memory: Option<u64>) -> Result<Settings, Invalid> {
        let scaling = self.scaling.clone().unwrap_or_default();
        let min_replicas = scaling.min_replicas.unwrap_or(defaults::MIN_REPLICAS);
        let max_replicas = scaling.max_replicas.unwrap_or(defaults::MAX_REPLICAS);
        if min_replicas > max_replicas {
            return Err(Invalid::new(
                "spec.scaling.minReplicas",
                format!("write at most maxReplicas, which is {max_replicas}"),
            ));
        }
        Ok(Settings {
            mode: mode(scaling.mode),
            hold_replicas: scaling.hold_replicas,
            min_replicas,
            max_replicas,
            max_concurrency: scaling.max_concurrency,
            max_memory: scaling.max_memory.as_ref().map(|max| bytes("spec.scaling.maxMemory", max)).transpose()?,
            start_within: seconds_or(
                "spec.scaling.startWithin",
                scaling.start_within.as_deref(),
                defaults::START_WITHIN,
            )?,
            task_duration: seconds_or(
                "spec.scaling.taskDuration",
                scaling.task_duration.as_deref(),
                defaults::TASK_DURATION,
            )?,
            warm_slots: scaling.warm_slots.unwrap_or(defaults::WARM_SLOTS),
            scale_down_window: scaling
                .scale_down_window
                .as_deref()
                .map(|window| seconds_from_zero("spec.scaling.scaleDownWindow", window))
                .transpose()?,
            fallback: scaling.fallback.map(|fallback| fallback_of(&fallback, max_replicas)).transpose()?,
            prefetch: self.prefetch.as_ref().map_or_else(|| auto(&spec::AutoPrefetch::default()), prefetch)?,
            container_memory,
            worker_memory,
            reports: self.worker.status_port.is_some(),
            drain_timeout: self.drain_timeout()?,
            drain: self.drain_support(),
        })
    }

    /// SQS does not tell which worker holds what: without their own word nobody could ever be stopped.
    fn drain_support(&self) -> DrainSupport {
        let told = self.broker.sqs.is_none() || self.worker.status_port.is_some();
        if told { DrainSupport::IdleOnly } else { DrainSupport::Sigterm }
    }

    /// Seconds after which a busy worker that should go is mentioned.
    pub fn drain_timeout(&self) -> Result<f64, Invalid> {
        let timeout = self.drain.as_ref().and_then(|drain| drain.timeout.as_deref());
        seconds_or("spec.drain.timeout", timeout, defaults::DRAIN_TIMEOUT)
    }

    /// Seconds that one task may run.
    pub fn task_timeout(&self) -> Result<f64, Invalid> {
        let drain = self.drain_timeout()?;
        let Some(timeout) = self.worker.task_timeout.as_deref() else { return Ok(drain) };
        let timeout = seconds("spec.worker.taskTimeout", timeout)?;
        if timeout > drain {
            return Err(Invalid::new(
                "spec.worker.taskTimeout",
                "write at most spec.drain.timeout: a worker that should go finishes its task first",
            ));
        }
        Ok(timeout)
    }
}

fn mode(mode: Option<spec::Mode>) -> Mode {
    match mode.unwrap_or_default() {
        spec::Mode::Auto => Mode::Auto,
        spec::Mode::Recommend => Mode::Recommend,
        spec::Mode::Paused => Mode::Paused,
    }
}

fn fallback_of(fallback: &spec::Fallback, max_replicas: u32) -> Result<Fallback, Invalid> {
    if fallback.replicas > max_replicas {
        return Err(Invalid::new(
            "spec.scaling.fallback.replicas",
            format!("write at most maxReplicas, which is {max_replicas}"),
        ));
    }
    let after = seconds("spec.scaling.fallback.after", &fallback.after)?;
    Ok(Fallback { after, replicas: fallback.replicas })
}

fn prefetch(prefetch: &spec::Prefetch) -> Result<Prefetch, Invalid> {
    match (&prefetch.auto, prefetch.fixed) {
        (Some(settings), None) => auto(settings),
        (None, Some(fixed @ 1..=defaults::PREFETCH_LIMIT)) => Ok(Prefetch::Fixed(fixed)),
        (None, Some(_)) => Err(Invalid::new("spec.prefetch.fixed", "write a number from 1 to 1000")),
        _ => Err(Invalid::new("spec.prefetch", "write exactly one of auto and fixed")),
    }
}

fn auto(auto: &spec::AutoPrefetch) -> Result<Prefetch, Invalid> {
    let min = auto.min.unwrap_or(defaults::PREFETCH_MIN);
    let max = auto.max.unwrap_or(defaults::PREFETCH_MAX);
    let headroom_percent = auto.headroom_percent.unwrap_or(defaults::HEADROOM_PERCENT);
    if min < 1 || min > max {
        return Err(Invalid::new("spec.prefetch.auto.min", format!("write a number from 1 to max, which is {max}")));
    }
    if headroom_percent > 90 {
        return Err(Invalid::new("spec.prefetch.auto.headroomPercent", "write a number from 0 to 90"));
    }
    Ok(Prefetch::Auto {
        min,
        max,
        base_memory: bytes_or("spec.prefetch.auto.baseMemory", auto.base_memory.as_ref(), defaults::BASE_MEMORY)?,
        task_memory: bytes_or("spec.prefetch.auto.taskMemory", auto.task_memory.as_ref(), defaults::TASK_MEMORY)?,
        headroom_percent,
    })
}

fn seconds_or(field: &str, text: Option<&str>, default: &str) -> Result<f64, Invalid> {
    seconds(field, text.unwrap_or(default))
}

fn seconds(field: &str, text: &str) -> Result<f64, Invalid> {
    match seconds_from_zero(field, text)? {
        seconds if seconds > 0.0 => Ok(seconds),
        _ => Err(Invalid::new(field, "write a duration of more than 0s")),
    }
}

fn seconds_from_zero(field: &str, text: &str) -> Result<f64, Invalid> {
    let seconds = duration::parse(text).map_err(|remedy| Invalid::new(field, remedy.to_string()))?;
    if seconds > WEEK {
        return Err(Invalid::new(field, format!("write a duration of at most {}", duration::LONGEST)));
    }
    Ok(seconds)
}

fn bytes_or(field: &str, value: Option<&Quantity>, default: &str) -> Result<u64, Invalid> {
    bytes(field, value.unwrap_or(&Quantity(default.to_owned())))
}

fn bytes(field: &str, value: &Quantity) -> Result<u64, Invalid> {
    match quantity::parse(&value.0).map_err(|remedy| Invalid::new(field, remedy.to_string()))? {
        0 => Err(Invalid::new(field, "write a quantity of more than 0")),
        bytes => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::quantity::{GI, MI};

    fn spec(yaml: &str) -> AgentWorkerPoolSpec {
        serde_saphyr::from_str(&format!("broker: {{}}\nworker: {{}}\n{yaml}")).unwrap()
    }

    #[test]
    fn an_empty_spec_gets_the_documented_defaults() {
        let settings = spec("").settings(Some(2 * GI), None).unwrap();
        let expected = Settings {
            mode: Mode::Auto,
            hold_replicas: None,
            min_replicas: 0,
            max_replicas: 100,
            max_concurrency: None,
            max_memory: None,
            start_within: 60.0,
            task_duration: 60.0,
            warm_slots: 0,
            scale_down_window: None,
            fallback: None,
            prefetch: Prefetch::Auto {
                min: 1,
                max: 16,
                base_memory: 256 * MI,
                task_memory: 300 * MI,
                headroom_percent: 20,
            },
            container_memory: Some(2 * GI),
            worker_memory: None,
            reports: false,
            drain_timeout: 1800.0,
            drain: DrainSupport::IdleOnly,
        };
        assert_eq!(settings, expected);
        assert_eq!(spec("prefetch: { auto: {} }").settings(Some(2 * GI), None).unwrap(), expected);
    }

    #[test]
    fn every_number_that_is_given_counts() {
        let spec = spec(
            "prefetch: { fixed: 4 }
scaling: { minReplicas: 2, maxReplicas: 60, maxConcurrency: 240, maxMemory: 128Gi, startWithin: 90s,
  taskDuration: 5m, warmSlots: 8, scaleDownWindow: 0s, mode: Recommend, fallback: { after: 3m, replicas: 4 },
  holdReplicas: 5 }
drain: { timeout: 1h }",
        );
        let settings = spec.settings(None, Some(GI)).unwrap();
        let expected = Settings {
            mode: Mode::Recommend,
            hold_replicas: Some(5),
            min_replicas: 2,
            max_replicas: 60,
            max_concurrency: Some(240),
            max_memory: Some(128 * GI),
            start_within: 90.0,
            task_duration: 300.0,
            warm_slots: 8,
            scale_down_window: Some(0.0),
            fallback: Some(Fallback { after: 180.0, replicas: 4 }),
            prefetch: Prefetch::Fixed(4),
            container_memory: None,
            worker_memory: Some(GI),
            reports: false,
            drain_timeout: 3600.0,
            drain: DrainSupport::IdleOnly,
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn what_an_older_crd_lets_through_is_refused_with_the_remedy() {
        for (yaml, message) in [
            (
                "scaling: { minReplicas: 5, maxReplicas: 4 }",
                "spec.scaling.minReplicas: write at most maxReplicas, which is 4",
            ),
            ("scaling: { minReplicas: 101 }", "spec.scaling.minReplicas: write at most maxReplicas, which is 100"),
            ("scaling: { startWithin: soon }", "spec.scaling.startWithin: write a duration such as 90s, 25m or 1h30m"),
            ("scaling: { startWithin: 0s }", "spec.scaling.startWithin: write a duration of more than 0s"),
            ("scaling: { taskDuration: 169h }", "spec.scaling.taskDuration: write a duration of at most 168h"),
            ("scaling: { maxMemory: lots }", "spec.scaling.maxMemory: write a quantity such as 300Mi or 2Gi"),
            ("scaling: { maxMemory: 0 }", "spec.scaling.maxMemory: write a quantity of more than 0"),
            (
                "scaling: { maxReplicas: 3, fallback: { after: 1m, replicas: 4 } }",
                "spec.scaling.fallback.replicas: write at most maxReplicas, which is 3",
            ),
            ("prefetch: {}", "spec.prefetch: write exactly one of auto and fixed"),
            ("prefetch: { auto: {}, fixed: 1 }", "spec.prefetch: write exactly one of auto and fixed"),
            ("prefetch: { fixed: 0 }", "spec.prefetch.fixed: write a number from 1 to 1000"),
            ("prefetch: { auto: { min: 17 } }", "spec.prefetch.auto.min: write a number from 1 to max, which is 16"),
            (
                "prefetch: { auto: { headroomPercent: 91 } }",
                "spec.prefetch.auto.headroomPercent: write a number from 0 to 90",
            ),
            ("drain: { timeout: '5' }", "spec.drain.timeout: write a duration such as 90s, 25m or 1h30m"),
        ] {
            let refused = spec(yaml).settings(None, None).unwrap_err();
            assert_eq!(refused.to_string(), message, "{yaml}");
        }
    }

    #[test]
    fn a_task_may_run_as_long_as_a_drain_but_not_longer() {
        assert_eq!(spec("").task_timeout(), Ok(1800.0));
        assert_eq!(spec("drain: { timeout: 1h }").task_timeout(), Ok(3600.0));
        let with_timeout = |timeout: &str, drain: &str| {
            let mut spec = spec(&format!("drain: {{ timeout: {drain} }}"));
            spec.worker.task_timeout = Some(timeout.to_owned());
            spec.task_timeout()
        };
        assert_eq!(with_timeout("25m", "30m"), Ok(1500.0));
        assert_eq!(with_timeout("31m", "30m").unwrap_err().field, "spec.worker.taskTimeout");
    }
}
