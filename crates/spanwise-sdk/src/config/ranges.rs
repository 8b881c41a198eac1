//! What each number may be: one table, checked in one place.

use super::BuildError;
use super::environment::Environment;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A builder's number: what it is called, and what is accepted.
pub(super) struct Range {
    setting: &'static str,
    accepted: RangeInclusive<u64>,
    unit: &'static str,
}

/// `SpanwiseBuilder::with_budget_bytes`, `SPANWISE_BUDGET_BYTES`.
pub(super) const BUDGET_BYTES: Range =
    Range { setting: "with_budget_bytes", accepted: 1 << 20..=16 << 30, unit: "bytes" };
/// `SpanwiseBuilder::with_max_request_bytes`. Receivers refuse gRPC messages above 4 MiB.
pub(super) const REQUEST_BYTES: Range =
    Range { setting: "with_max_request_bytes", accepted: 64 << 10..=3_932_160, unit: "bytes" };
/// `SpanwiseBuilder::with_max_export_batch_size`, `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`.
pub(super) const REQUEST_SPANS: Range =
    Range { setting: "with_max_export_batch_size", accepted: 1..=1 << 20, unit: "spans" };
/// `SpanwiseBuilder::with_max_queue_size`, `OTEL_BSP_MAX_QUEUE_SIZE`: with fewer, one open chunk would keep
/// most of the places.
pub(super) const QUEUE_SPANS: Range =
    Range { setting: "with_max_queue_size", accepted: 16..=1 << 24, unit: "spans" };
/// `SpanwiseBuilder::with_max_in_flight`: each may be a connection, two descriptors and a task.
pub(super) const IN_FLIGHT: Range =
    Range { setting: "with_max_in_flight", accepted: 1..=64, unit: "requests" };

/// `SpanwiseBuilder::with_header`, all names and values together: they stand in every request.
pub(super) const HEADER_BYTES: Range =
    Range { setting: "with_header", accepted: 0..=16 << 10, unit: "bytes" };

/// A timeout, set in code: 0 is no limit.
///
/// # Errors
/// It is shorter than the worker's timer can measure.
pub(super) fn timeout(setting: &'static str, timeout: Duration) -> Result<Duration, BuildError> {
    if timeout.is_zero() || timeout >= SHORTEST {
        return Ok(timeout);
    }
    Err(BuildError::setting(
        setting,
        format!("{timeout:?}"),
        "accepted is 1 ms or longer, or 0 for no limit",
    ))
}

/// A delay, set in code.
///
/// # Errors
/// It is shorter than the worker's timer can measure.
pub(super) fn delay(setting: &'static str, delay: Duration) -> Result<Duration, BuildError> {
    if delay >= SHORTEST {
        return Ok(delay);
    }
    Err(BuildError::setting(setting, format!("{delay:?}"), "accepted is 1 ms or longer"))
}

/// The timer of the worker's runtime knows nothing shorter.
const SHORTEST: Duration = Duration::from_millis(1);

impl Range {
    /// `number`, set in code.
    ///
    /// # Errors
    /// It is outside of the range.
    pub(super) fn check(&self, number: usize) -> Result<usize, BuildError> {
        if self.accepted.contains(&(number as u64)) {
            return Ok(number);
        }
        Err(BuildError::setting(self.setting, number, format!("accepted is {}", self.describe())))
    }

    /// The first of the variables `names` that is set; one outside of the range is reported.
    pub(super) fn from(&self, environment: &Environment, names: &[&'static str]) -> Option<usize> {
        environment.parsed(names, &self.describe(), |value| {
            let number: u64 = value.parse().ok()?;
            self.accepted.contains(&number).then(|| usize::try_from(number).ok())?
        })
    }

    fn describe(&self) -> String {
        let (least, most) = (*self.accepted.start(), *self.accepted.end());
        match self.unit {
            "bytes" => format!("{least} ({}) to {most} ({}) bytes", size(least), size(most)),
            unit => format!("{least} to {most} {unit}"),
        }
    }
}

/// `bytes` in the unit that people use for it.
fn size(bytes: u64) -> String {
    let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} B"),
    }
}
