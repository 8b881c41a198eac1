//! Fields of the JSON, from a process that may be hostile.

use crate::plain::plain;
use serde_json::Value;
use std::time::Duration;

/// A text of at most `max` letters; empty if it is none.
pub(super) fn text(value: &Value, max: usize) -> String {
    plain(value.as_str().unwrap_or_default(), max)
}

/// A count; one with a fraction is cut off, as that of a gauge.
pub(super) fn number(value: &Value) -> Option<u64> {
    let float = || value.as_f64().filter(|value| *value >= 0.0).map(|value| value as u64);
    value.as_u64().or_else(float)
}

/// Seconds; `None` if they are none or negative.
pub(super) fn duration(value: &Value) -> Option<Duration> {
    value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

/// Letters of a name.
pub(super) const MAX_NAME: usize = 60;
