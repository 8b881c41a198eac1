//! The accepted ranges of numbers and durations, and their check.

use super::environment::Environment;
use super::error::BuildError;
use spanwise_batch::FlushScheduleConfig;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A number of the builder: its method and its accepted range.
pub(super) struct Range {
    setting: &'static str,
    variables: &'static [&'static str],
    accepted: RangeInclusive<u64>,
    unit: &'static str,
}

/// A duration of the builder: its method and its variables.
pub(super) struct TimeRange {
    setting: &'static str,
    /// The variables, in milliseconds, that of the signal first.
    variables: &'static [&'static str],
    kind: TimeKind,
}

/// The accepted values of a duration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TimeKind {
    /// 1 ms or longer; 0 is no limit.
    Timeout,
    /// 1 ms to 30 days.
    Delay,
}

/// `SpanwiseBuilder::with_budget_bytes`.
pub(super) const BUDGET_BYTES: Range = Range {
    setting: "with_budget_bytes",
    variables: &["SPANWISE_BUDGET_BYTES"],
    accepted: 1 << 20..=16 << 30,
    unit: "bytes",
};
/// `SpanwiseBuilder::with_max_request_bytes`. Receivers reject gRPC messages above 4 MiB.
pub(super) const REQUEST_BYTES: Range = Range {
    setting: "with_max_request_bytes",
    variables: &[],
    accepted: 64 << 10..=3_932_160,
    unit: "bytes",
};
/// `SpanwiseBuilder::with_max_export_batch_size`.
pub(super) const REQUEST_SPANS: Range = Range {
    setting: "with_max_export_batch_size",
    variables: &[BATCH],
    accepted: 1..=1 << 20,
    unit: "spans",
};
/// `SpanwiseBuilder::with_max_queue_size`: with fewer, one open chunk would reserve most of the slots.
pub(super) const QUEUE_SPANS: Range = Range {
    setting: "with_max_queue_size",
    variables: &[QUEUE],
    accepted: 16..=1 << 24,
    unit: "spans",
};
/// `SpanwiseBuilder::with_max_in_flight`: each may be a connection, two descriptors and a task.
pub(super) const IN_FLIGHT: Range =
    Range { setting: "with_max_in_flight", variables: &[], accepted: 1..=64, unit: "requests" };

/// `SpanwiseBuilder::with_header`, all names and values together, which every request repeats.
pub(super) const HEADER_BYTES: Range =
    Range { setting: "with_header", variables: &[], accepted: 0..=16 << 10, unit: "bytes" };

/// `SpanwiseBuilder::with_attempt_timeout`.
pub(super) const ATTEMPT_TIMEOUT: TimeRange = TimeRange {
    setting: "with_attempt_timeout",
    variables: &["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"],
    kind: TimeKind::Timeout,
};
/// `SpanwiseBuilder::with_export_timeout`.
pub(super) const EXPORT_TIMEOUT: TimeRange = TimeRange {
    setting: "with_export_timeout",
    variables: &["OTEL_BSP_EXPORT_TIMEOUT"],
    kind: TimeKind::Timeout,
};
/// `SpanwiseBuilder::with_scheduled_delay`.
pub(super) const SCHEDULED_DELAY: TimeRange = TimeRange {
    setting: "with_scheduled_delay",
    variables: &["OTEL_BSP_SCHEDULE_DELAY"],
    kind: TimeKind::Delay,
};

pub(super) const QUEUE: &str = "OTEL_BSP_MAX_QUEUE_SIZE";
pub(super) const BATCH: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
const SHORTEST: Duration = FlushScheduleConfig::MIN_DELAY;
const LONGEST_DELAY: Duration = FlushScheduleConfig::MAX_DELAY;

impl TimeRange {
    /// The duration in code, otherwise that of the environment; [`Duration::MAX`] for no limit.
    ///
    /// # Errors
    /// The value in code is out of range. A value of the environment out of range is reported.
    pub(super) fn resolve(
        &self,
        code: Option<Duration>,
        environment: &Environment,
    ) -> Result<Option<Duration>, BuildError> {
        let Some(time) = code else {
            let accepted = match self.kind {
                TimeKind::Timeout => "milliseconds, 0 for no limit",
                TimeKind::Delay => "milliseconds, 1 to 2592000000 (30 days)",
            };
            return Ok(environment.parsed(self.variables, accepted, |value| {
                self.accept(Duration::from_millis(value.parse().ok()?))
            }));
        };
        let accepted = self.accept(time).ok_or_else(|| {
            let accepted = match self.kind {
                TimeKind::Timeout => "accepted is 1 ms or longer, or 0 for no limit",
                TimeKind::Delay => "accepted is 1 ms to 30 days",
            };
            BuildError::setting(self.setting, format!("{time:?}"), accepted)
        })?;
        Ok(Some(accepted))
    }

    fn accept(&self, time: Duration) -> Option<Duration> {
        match self.kind {
            TimeKind::Timeout if time.is_zero() => Some(Duration::MAX),
            TimeKind::Timeout => (time >= SHORTEST).then_some(time),
            TimeKind::Delay => (SHORTEST..=LONGEST_DELAY).contains(&time).then_some(time),
        }
    }
}

impl Range {
    /// `number`, set in code.
    ///
    /// # Errors
    /// The number is out of range.
    pub(super) fn check(&self, number: usize) -> Result<usize, BuildError> {
        if self.accepted.contains(&(number as u64)) {
            return Ok(number);
        }
        Err(BuildError::setting(self.setting, number, format!("accepted is {}", self.describe())))
    }

    /// `number` in code, otherwise that of the environment.
    ///
    /// # Errors
    /// The value in code is out of range. A value of the environment out of range is reported.
    pub(super) fn resolve(
        &self,
        code: Option<usize>,
        environment: &Environment,
    ) -> Result<Option<usize>, BuildError> {
        match code {
            Some(number) => self.check(number).map(Some),
            None => Ok(self.from(environment)),
        }
    }

    /// The number of the environment. Reports one that is out of range.
    pub(super) fn from(&self, environment: &Environment) -> Option<usize> {
        environment.parsed(self.variables, &self.describe(), |value| {
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

/// `bytes` in the largest unit that is not greater.
fn size(bytes: u64) -> String {
    let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} B"),
    }
}
