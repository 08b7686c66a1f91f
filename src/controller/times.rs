//! The law's points in time as Kubernetes writes them, and back.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff;

use crate::scaling::time::Timestamp;

/// Whole seconds, as in every Kubernetes object.
pub fn to_kubernetes(at: Timestamp) -> Time {
    Time(jiff::Timestamp::from_second(at.0 as i64).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
}

pub fn from_kubernetes(time: &Time) -> Timestamp {
    Timestamp(time.0.as_millisecond() as f64 / 1000.0)
}
