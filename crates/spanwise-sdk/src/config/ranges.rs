//! The check of numbers and durations against their ranges in the table of settings.

use super::environment::Environment;
use super::error::BuildError;
use super::settings::{self, Setting, SettingType};
use std::time::Duration;

/// A number of the builder, whose accepted range the table has.
pub(super) struct Range(&'static Setting);

/// A duration of the builder, whose accepted range the table has.
pub(super) struct TimeRange(&'static Setting);

/// `SpanwiseBuilder::with_budget_bytes`.
pub(super) const BUDGET_BYTES: Range = Range(&settings::BUDGET_BYTES);
/// `SpanwiseBuilder::with_max_request_bytes`.
pub(super) const REQUEST_BYTES: Range = Range(&settings::MAX_REQUEST_BYTES);
/// `SpanwiseBuilder::with_max_export_batch_size`.
pub(super) const REQUEST_SPANS: Range = Range(&settings::MAX_EXPORT_BATCH_SIZE);
/// `SpanwiseBuilder::with_max_queue_size`.
pub(super) const QUEUE_SPANS: Range = Range(&settings::MAX_QUEUE_SIZE);
/// `SpanwiseBuilder::with_max_in_flight`.
pub(super) const IN_FLIGHT: Range = Range(&settings::MAX_IN_FLIGHT);
/// `SpoolSettings::with_max_bytes`.
pub(super) const SPOOL_MAX_BYTES: Range = Range(&settings::SPOOL_MAX_BYTES);
/// `SpoolSettings::with_max_age`.
pub(super) const SPOOL_MAX_AGE: TimeRange = TimeRange(&settings::SPOOL_MAX_AGE);
/// `SpanwiseBuilder::with_attempt_timeout`.
pub(super) const ATTEMPT_TIMEOUT: TimeRange = TimeRange(&settings::TIMEOUT);
/// `SpanwiseBuilder::with_export_timeout`.
pub(super) const EXPORT_TIMEOUT: TimeRange = TimeRange(&settings::EXPORT_TIMEOUT);
/// `SpanwiseBuilder::with_scheduled_delay`.
pub(super) const SCHEDULED_DELAY: TimeRange = TimeRange(&settings::SCHEDULE_DELAY);
/// `MetricsExport::with_interval`.
pub(super) const METRIC_EXPORT_INTERVAL: TimeRange = TimeRange(&settings::METRIC_EXPORT_INTERVAL);
/// `MetricsExport::with_timeout`.
pub(super) const METRIC_EXPORT_TIMEOUT: TimeRange = TimeRange(&settings::METRIC_EXPORT_TIMEOUT);
/// `MetricsExport::with_attempt_timeout`.
pub(super) const METRICS_TIMEOUT: TimeRange = TimeRange(&settings::METRICS_TIMEOUT);
/// `SpanwiseBuilder::with_config_file_watch`.
#[cfg(feature = "config-file")]
pub(super) const CONFIG_FILE_WATCH: TimeRange = TimeRange(&settings::CONFIG_FILE_WATCH);

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
        match code {
            Some(time) => self.check(time).map(Some),
            None => Ok(environment.parsed(self.0, &self.0.kind.accepted(), |value| {
                self.accept(Duration::from_millis(value.parse().ok()?))
            })),
        }
    }

    /// `time`, set in code; [`Duration::MAX`] for no limit.
    ///
    /// # Errors
    /// The duration is out of range.
    pub(super) fn check(&self, time: Duration) -> Result<Duration, BuildError> {
        self.accept(time).ok_or_else(|| {
            let accepted = format!("accepted is {}", self.0.kind.accepted_durations());
            BuildError::setting(self.0.method(), format!("{time:?}"), accepted)
        })
    }

    fn accept(&self, time: Duration) -> Option<Duration> {
        match self.0.kind {
            SettingType::Milliseconds { min, max } => {
                let range = Duration::from_millis(min)..=Duration::from_millis(max);
                range.contains(&time).then_some(time)
            }
            _ if time.is_zero() => Some(Duration::MAX),
            _ => (time >= SHORTEST_TIMEOUT).then_some(time),
        }
    }
}

impl Range {
    /// `number`, set in code.
    ///
    /// # Errors
    /// The number is out of range.
    pub(super) fn check(&self, number: usize) -> Result<usize, BuildError> {
        if self.accepts(number as u64) {
            return Ok(number);
        }
        let accepted = format!("accepted is {}", self.0.kind.accepted());
        Err(BuildError::setting(self.0.method(), number, accepted))
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

    /// As [`resolve`](Self::resolve), for a number of the disk.
    pub(super) fn resolve_u64(
        &self,
        code: Option<u64>,
        environment: &Environment,
    ) -> Result<Option<u64>, BuildError> {
        match code {
            Some(number) if self.accepts(number) => Ok(Some(number)),
            Some(number) => {
                let accepted = format!("accepted is {}", self.0.kind.accepted());
                Err(BuildError::setting(self.0.method(), number, accepted))
            }
            None => Ok(environment.parsed(self.0, &self.0.kind.accepted(), |value| {
                value.parse().ok().filter(|number| self.accepts(*number))
            })),
        }
    }

    /// The number of the environment. Reports one that is out of range.
    pub(super) fn from(&self, environment: &Environment) -> Option<usize> {
        environment.parsed(self.0, &self.0.kind.accepted(), |value| {
            let number: u64 = value.parse().ok()?;
            self.accepts(number).then(|| usize::try_from(number).ok())?
        })
    }

    fn accepts(&self, number: u64) -> bool {
        self.0.range().contains(&number)
    }
}

const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);
